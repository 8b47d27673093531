// Named arrays of an npz, which is a zip of npy files.

import { readNpy } from "./npy.js";

const END = 0x06054b50, ENTRY = 0x02014b50;
const MOST_BYTES = 320 * 1024 ** 2; // unpacked, as the endpoint takes them

/** Those of the named arrays that an npz holds: {name: {shape, data}}. */
export async function readNpz(buffer, names) {
  const view = new DataView(buffer);
  let end = buffer.byteLength - 22;
  while (end >= 0 && view.getUint32(end, true) !== END) end--;
  if (end < 0) throw new Error("is no whole npz file");
  const found = {};
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    if (at + 46 > buffer.byteLength || view.getUint32(at, true) !== ENTRY) throw new Error("is no whole npz file");
    const [nameSize, extraSize, commentSize] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const name = new TextDecoder().decode(new Uint8Array(buffer, at + 46, nameSize)).replace(/\.npy$/, "");
    if (names.includes(name)) found[name] = readNpy(await unpack(buffer, view, at));
    at += 46 + nameSize + extraSize + commentSize;
  }
  return found;
}

async function unpack(buffer, view, at) {
  const method = view.getUint16(at + 10, true);
  const [packed, unpacked, local] = [20, 24, 42].map((offset) => view.getUint32(at + offset, true));
  if (unpacked > MOST_BYTES) throw new Error("holds more than 320 MiB, send a shorter clip");
  const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  const bytes = buffer.slice(from, from + packed);
  if (method === 0) return bytes;
  if (method !== 8) throw new Error("is packed in a way that numpy does not write");
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).arrayBuffer();
}
