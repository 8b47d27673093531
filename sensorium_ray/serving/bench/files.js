// Files that are dropped: a video, an array, a clip of arrays, or recorded responses.

import { isNpy, readNpy } from "./npy.js";
import { readNpz } from "./npz.js";

const CLIP = ["video", "behavior", "pupil_center", "responses"];

/**
 * What a file is: {film} or {recorded} or both.
 *
 * film: {file, name, pixels ({data, frames, height, width}) or null, states (names of what the file tells of the mouse)}
 * recorded: {data, neurons, frames, name}
 */
export async function open(file) {
  try {
    const head = await file.slice(0, 6).arrayBuffer();
    const isZip = new TextDecoder("latin1").decode(head).startsWith("PK");
    if (!isZip && !isNpy(head)) return { film: filmOf(file, null, []) };
    const buffer = await file.arrayBuffer();
    const arrays = isZip ? await readNpz(buffer, CLIP) : named(readNpy(buffer));
    const found = {};
    if (arrays.responses) found.recorded = recordedOf(arrays.responses, file.name);
    if (arrays.video) found.film = filmOf(file, pixelsOf(arrays.video), CLIP.slice(1, 3).filter((name) => arrays[name]));
    if (!Object.keys(found).length) throw new Error(`holds none of ${CLIP.join(", ")}`);
    return found;
  } catch (error) {
    throw new Error(`${file.name} ${error.message}.`);
  }
}

/** A single array is a video if it has three axes, else recorded responses. */
function named(array) {
  return array.shape.length === 3 ? { video: array } : { responses: array };
}

function filmOf(file, pixels, states) {
  return { file, name: file.name, pixels, states };
}

function pixelsOf({ shape, data }) {
  if (shape.length !== 3 || !data.length) throw new Error(`holds a video of shape (${shape.join(", ")}), give (frames, height, width)`);
  return { data, frames: shape[0], height: shape[1], width: shape[2] };
}

function recordedOf({ shape, data }, name) {
  const [neurons, frames = 1] = shape;
  if (!data.length || shape.length > 2) throw new Error(`holds responses of shape (${shape.join(", ")}), give (neurons, frames)`);
  return { data, neurons, frames, name };
}
