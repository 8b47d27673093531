// The population's responses: a row a neuron, a column a moment; several of them share a pixel where there are many.

import { quantile, rangeOf, shareOf, sorted } from "./answer.js";
import { begin, colour, levels, step } from "./canvas.js";

const LEFT = 56, BOTTOM = 24; // for labels; the traces keep the same left
const LEVELS = 256;
const STILL = 5; // px that a pointer may move in a click

export class Raster {
  /** marks() tells {time, chosen, pointed}; picks: {time(seconds), point(neuron), choose(neuron)}. */
  constructor(canvas, marks, picks) {
    this.canvas = canvas;
    this.marks = marks;
    this.picks = picks;
    this.answer = null;
    new ResizeObserver(() => this.repaint()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  /** Show an answer; order and scale as in answer.js. */
  show(answer, order, scale) {
    this.answer = answer;
    this.scale = scale;
    this.rows = sorted(answer, order);
    this.rowOf = new Int32Array(answer.neurons);
    this.rows.forEach((neuron, row) => (this.rowOf[neuron] = row));
    this.repaint();
  }

  /** Draw anew with all that is dear: after another size, other colours or another answer. */
  repaint() {
    this.picture = null;
    this.draw();
  }

  draw() {
    if (!this.answer || !this.canvas.clientWidth) return;
    const { context, width, height } = begin(this.canvas);
    const plot = (this.plot = { left: LEFT, width: width - LEFT - 1, height: height - BOTTOM });
    this.picture ??= this.paint(plot);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.picture, plot.left, 0, plot.width, plot.height);
    this.axes(context, plot);
    const y = (neuron) => ((this.rowOf[neuron] + 0.5) / this.answer.neurons) * plot.height;
    const { time, chosen, pointed } = this.marks();
    chosen.forEach((neuron, index) => {
      context.fillStyle = colour(`series-${index}`);
      context.beginPath();
      context.moveTo(plot.left - 1, y(neuron));
      context.lineTo(plot.left - 10, y(neuron) - 5);
      context.lineTo(plot.left - 10, y(neuron) + 5);
      context.fill();
    });
    const x = plot.left + (time / this.seconds) * plot.width;
    for (const [paint, wide] of [["card", 4], ["cursor", 1.5]]) { // an edge, so that it is seen on every level
      context.fillStyle = colour(paint);
      if (pointed !== null) context.fillRect(plot.left, y(pointed) - wide / 2, plot.width, wide);
      context.fillRect(x - wide / 2, 0, wide, plot.height);
    }
  }

  get seconds() {
    return this.answer.frames / this.answer.rate;
  }

  /** The responses as an image of no more pixels than there are on the screen. */
  paint(plot) {
    const { answer, answer: { frames, responses } } = this;
    const height = Math.min(answer.neurons, Math.round(plot.height));
    const width = Math.min(frames, Math.round(plot.width * devicePixelRatio));
    const sums = new Float32Array(width * height), counts = new Int32Array(width * height);
    for (let row = 0; row < answer.neurons; row++) {
      const neuron = this.rows[row];
      const [low, high] = rangeOf(answer, neuron, this.scale);
      const gain = 1 / (high - low);
      const to = Math.floor((row * height) / answer.neurons) * width;
      for (let frame = 0, from = neuron * frames; frame < frames; frame++, from++) {
        const cell = to + ((frame * width) / frames | 0);
        sums[cell] += (responses[from] - low) * gain;
        counts[cell]++;
      }
    }
    for (let cell = 0; cell < sums.length; cell++) sums[cell] /= counts[cell];
    const high = quantile(sums, 0.995) || 1;
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const colours = levels(LEVELS).map(([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0);
    for (let cell = 0; cell < sums.length; cell++) {
      pixels[cell] = colours[Math.min(LEVELS - 1, Math.max(0, Math.round((sums[cell] / high) * (LEVELS - 1))))];
    }
    const picture = new OffscreenCanvas(width, height);
    picture.getContext("2d").putImageData(image, 0, 0);
    return picture;
  }

  axes(context, plot) {
    context.fillStyle = colour("muted");
    context.textAlign = "center";
    context.textBaseline = "top";
    const every = step(this.seconds, plot.width / 70);
    for (let time = 0; time <= this.seconds + 1e-9; time += every) {
      const x = plot.left + (time / this.seconds) * plot.width;
      context.fillRect(x - 0.5, plot.height, 1, 4);
      const text = `${Number(time.toPrecision(6))} s`;
      context.fillText(text, Math.min(x, plot.left + plot.width - context.measureText(text).width / 2), plot.height + 8);
    }
    context.textAlign = "right";
    context.fillText("1", plot.left - 14, 0);
    context.textBaseline = "bottom";
    context.fillText(this.answer.neurons, plot.left - 14, plot.height);
  }

  press(down) {
    if (!this.answer) return;
    const [x, y] = [down.offsetX, down.offsetY];
    let still = true;
    const move = (event) => {
      still &&= Math.hypot(event.offsetX - x, event.offsetY - y) < STILL;
      this.picks.time(this.timeAt(event.offsetX));
    };
    this.canvas.setPointerCapture(down.pointerId);
    move(down);
    this.canvas.addEventListener("pointermove", move);
    const end = (event) => {
      this.canvas.removeEventListener("pointermove", move);
      if (event.type === "pointerup" && still) this.picks.choose(this.neuronAt(x, y));
    };
    this.canvas.addEventListener("pointerup", end, { once: true });
    this.canvas.addEventListener("pointercancel", end, { once: true });
  }

  timeAt(x) {
    return Math.min(1, Math.max(0, (x - this.plot.left) / this.plot.width)) * this.seconds;
  }

  /** Of the neurons that share a pixel, the one that responds most there. */
  neuronAt(x, y) {
    const { answer, plot } = this;
    const frame = Math.min(answer.frames - 1, Math.floor(this.timeAt(x) * answer.rate));
    const rowAt = (place) => Math.min(answer.neurons - 1, Math.max(0, Math.floor((place / plot.height) * answer.neurons)));
    const rows = Array.from(this.rows.subarray(rowAt(y - 0.5), rowAt(y + 0.5) + 1));
    const share = (neuron) => shareOf(answer, neuron, frame, this.scale);
    return rows.reduce((best, neuron) => (share(neuron) > share(best) ? neuron : best));
  }

  key(event) {
    if (!this.answer) return;
    const { time, pointed } = this.marks();
    const { frames, rate, neurons } = this.answer;
    const row = pointed === null ? -1 : this.rowOf[pointed];
    const large = event.shiftKey ? 10 : 1;
    const toRow = (place) => this.picks.point(this.rows[Math.min(neurons - 1, Math.max(0, place))]);
    const toFrame = (frame) => this.picks.time((Math.min(frames - 1, Math.max(0, frame)) + 0.5) / rate);
    const frame = Math.floor(time * rate + 1e-6);
    const does = {
      ArrowLeft: () => toFrame(frame - large), ArrowRight: () => toFrame(frame + large),
      ArrowUp: () => toRow(row - large), ArrowDown: () => toRow(row + large),
      Home: () => toFrame(0), End: () => toFrame(frames - 1),
      PageUp: () => toRow(row - Math.ceil(neurons / 10)), PageDown: () => toRow(row + Math.ceil(neurons / 10)),
      Enter: () => pointed !== null && this.picks.choose(pointed),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }
}
