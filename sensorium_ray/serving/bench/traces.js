// Traces of chosen neurons, one below the other, with the recorded ones behind them where they are known.

import { correlation, recordedTrace, trace } from "./answer.js";

const MOST_POINTS = 2000; // of a line; of more frames, the lowest and highest of every few are drawn
const SVG = "http://www.w3.org/2000/svg";

export class Traces {
  /** remove(neuron) is called when one is no longer wanted. */
  constructor(container, remove) {
    this.container = container;
    this.remove = remove;
    this.cursors = [];
  }

  /** names: what each chosen neuron is called; recorded: {data, neurons, frames} or null. */
  show(answer, chosen, names, recorded) {
    this.frames = answer.frames;
    this.cursors = [];
    this.container.replaceChildren(...chosen.map((neuron, index) => this.row(answer, neuron, index, names[index], recorded)));
  }

  /** Move the cursors to a frame, which may lie between two. */
  at(frame) {
    for (const cursor of this.cursors) for (const end of ["x1", "x2"]) cursor.setAttribute(end, frame);
  }

  row(answer, neuron, index, name, recorded) {
    const predicted = trace(answer, neuron);
    const measured = recorded && recordedTrace(recorded, neuron, answer.frames);
    const high = [predicted, measured ?? []].reduce((most, values) => values.reduce((a, b) => (b > a ? b : a), most), 0) || 1;
    const picture = element("svg", { viewBox: `0 0 ${answer.frames} 1`, preserveAspectRatio: "none", role: "img" });
    const peak = answer.peaks[neuron].toPrecision(3);
    let facts = `peak ${peak} at ${(answer.peakFrames[neuron] / answer.rate).toFixed(2)} s`;
    if (measured) {
      const { value, from, to } = correlation(predicted, measured);
      facts += Number.isNaN(value) ? ", correlation undefined" : `, r = ${value.toFixed(3)} (frames ${from}–${to})`;
      picture.append(element("path", { d: line(measured, high), class: "recorded" }));
    }
    picture.setAttribute("aria-label", `${name}: ${facts}`);
    const cursor = element("line", { x1: 0, x2: 0, y1: 0, y2: 1, class: "cursor" });
    picture.append(element("path", { d: line(predicted, high), class: `predicted series-${index}` }), cursor);
    this.cursors.push(cursor);
    const row = document.createElement("figure");
    row.className = "trace";
    row.dataset.neuron = neuron;
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: "×", className: "quiet", onclick: () => this.remove(neuron) });
    button.setAttribute("aria-label", `Remove ${name}`);
    const caption = document.createElement("figcaption");
    const swatch = document.createElement("i");
    swatch.className = `swatch series-${index}`;
    const told = document.createElement("span");
    told.textContent = facts;
    caption.append(swatch, strong(name), told);
    row.append(caption, picture, button);
    return row;
  }
}

/** A path through the middle of every frame; gaps where a value is not finite. */
function line(values, high) {
  const every = Math.max(1, Math.ceil((2 * values.length) / MOST_POINTS));
  const points = [];
  for (let start = 0; start < values.length; start += every) {
    const part = values.subarray(start, start + every);
    if (every === 1) points.push([start, part[0]]);
    else points.push([start, part.reduce((a, b) => Math.min(a, b))], [start + every / 2, part.reduce((a, b) => Math.max(a, b))]);
  }
  if (points.length === 1) points.push([0.5, points[0][1]]); // a still image is a level
  let pen = "M";
  return points.reduce((path, [frame, value]) => {
    if (!Number.isFinite(value)) {
      pen = "M";
      return path;
    }
    const step = `${pen}${frame + (values.length === 1 ? 0 : 0.5)} ${(0.96 - (0.92 * value) / high).toFixed(4)}`;
    pen = "L";
    return path + step;
  }, "");
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

function strong(text) {
  const made = document.createElement("strong");
  made.textContent = text;
  return made;
}
