// Neurons at their places in the cortex, seen from above, coloured by response.

import { quantile, shareOf } from "./answer.js";
import { begin, colour, step } from "./canvas.js";
import * as dots from "./dots.js";

const MARGIN = 14;
const LEVELS = 32;
const REACH = 24; // px that a click may be off

export class CortexMap {
  /** marks() tells {time, chosen, pointed, of ('now' or 'mean'), scale}; picks: {point(neuron), choose(neuron)}. */
  constructor(canvas, marks, picks) {
    this.canvas = canvas;
    this.marks = marks;
    this.picks = picks;
    this.mouse = null;
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener("click", (event) => {
      const neuron = this.nearest(event.offsetX, event.offsetY);
      if (neuron !== null) this.picks.choose(neuron);
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  /** Show a mouse, as the API describes it, and its answer, or none yet. */
  show(mouse, answer) {
    this.mouse = mouse.positions && mouse;
    this.answer = answer;
    this.canvas.hidden = !this.mouse;
    this.highMean = answer && (quantile(answer.means, 0.99) || 1);
  }

  draw() {
    if (!this.mouse || !this.canvas.clientWidth) return;
    const { context, width, height } = begin(this.canvas);
    const { places, pixels } = this.project(width, height);
    const radius = Math.min(6, Math.max(1.6, 0.32 * Math.sqrt((width * height) / places.length)));
    const marks = this.marks();
    dots.draw(context, places, this.byLevel(marks), radius);
    this.nameAreas(context, places);
    this.scaleBar(context, height, pixels);
    context.lineWidth = 2.5;
    marks.chosen.forEach((neuron, index) => this.ring(context, places[neuron], radius + 3, colour(`series-${index}`)));
    if (marks.pointed !== null) this.ring(context, places[marks.pointed], radius + 6, colour("cursor"));
  }

  /** Words for what the first and the last colour stand for. */
  ends() {
    const { of, scale } = this.marks();
    if (of === "mean") return ["0", this.highMean.toPrecision(3)];
    return scale === "own" ? ["lowest", "peak of each neuron"] : ["0", this.answer.high.toPrecision(3)];
  }

  /** Places on the canvas, kept until its size or the mouse changes, and pixels of a micrometre. */
  project(width, height) {
    if (this.projected?.mouse === this.mouse && this.projected.width === width && this.projected.height === height) return this.projected;
    const { positions } = this.mouse;
    const range = (axis) => positions.reduce(([low, high], place) => [Math.min(low, place[axis]), Math.max(high, place[axis])], [Infinity, -Infinity]);
    const [[left, right], [bottom, top]] = [range(0), range(1)];
    const pixels = Math.min((width - 2 * MARGIN) / (right - left || 1), (height - 2 * MARGIN - 14) / (top - bottom || 1));
    const [x0, y0] = [(width - pixels * (right - left)) / 2, (height - 14 + pixels * (top - bottom)) / 2];
    const places = positions.map(([x, y]) => [x0 + pixels * (x - left), y0 - pixels * (y - bottom)]);
    this.projected = { mouse: this.mouse, width, height, places, pixels };
    return this.projected;
  }

  byLevel({ time, of, scale }) {
    const grouped = Array.from({ length: LEVELS }, () => []);
    const { answer } = this;
    const frame = answer && Math.min(answer.frames - 1, Math.floor(time * answer.rate + 1e-6));
    this.projected.places.forEach((_, neuron) => {
      let share = 0;
      if (answer && of === "mean") share = answer.means[neuron] / this.highMean;
      else if (answer) share = shareOf(answer, neuron, frame, scale);
      grouped[Math.min(LEVELS - 1, Math.max(0, Math.round(share * (LEVELS - 1))))].push(neuron);
    });
    return grouped;
  }

  nameAreas(context, places) {
    if (!this.mouse.areas) return;
    context.font = "600 13px system-ui, sans-serif";
    context.textAlign = "center";
    context.lineWidth = 4;
    context.strokeStyle = colour("card");
    context.fillStyle = colour("ink");
    for (const area of new Set(this.mouse.areas)) {
      const inside = places.filter((_, index) => this.mouse.areas[index] === area);
      const [x, y] = [0, 1].map((axis) => inside.reduce((sum, place) => sum + place[axis], 0) / inside.length);
      context.strokeText(area, x, y);
      context.fillText(area, x, y);
    }
  }

  scaleBar(context, height, pixels) {
    const length = step(60 / pixels, 1);
    context.fillStyle = colour("muted");
    context.fillRect(MARGIN, height - 6, length * pixels, 2);
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    context.fillText(`${length} µm`, MARGIN, height - 10);
  }

  ring(context, [x, y], radius, paint) {
    context.strokeStyle = paint;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.stroke();
  }

  nearest(x, y) {
    if (!this.answer) return null;
    const off = this.projected.places.map((place) => Math.hypot(place[0] - x, place[1] - y));
    const least = off.reduce((best, distance, index) => (distance < off[best] ? index : best), 0);
    return off[least] < REACH ? least : null;
  }

  key(event) {
    if (!this.answer) return;
    const { pointed } = this.marks();
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way && event.key !== "Enter") return;
    event.preventDefault();
    if (way) this.picks.point(pointed === null ? 0 : this.next(pointed, way));
    else if (pointed !== null) this.picks.choose(pointed);
  }

  /** The nearest neuron within 45 degrees of a direction; the same where there is none. */
  next(from, [right, down]) {
    const [x, y] = this.projected.places[from];
    let best = from, least = Infinity;
    this.projected.places.forEach(([px, py], index) => {
      const along = (px - x) * right + (py - y) * down;
      const aside = Math.abs((px - x) * down + (py - y) * right);
      const distance = Math.hypot(along, aside);
      if (along > 0 && aside <= along && distance < least) [best, least] = [index, distance];
    });
    return best;
  }
}
