// What was answered: raster, traces, map and numbers, which share a moment, a pointed and a few chosen neurons.

import { csvOf } from "./downloads.js";
import { CortexMap } from "./map.js";
import { Raster } from "./raster.js";
import { Traces } from "./traces.js";

const MOST_CHOSEN = 8;
const AT_FIRST = 3;
const $ = (id) => document.getElementById(id);

export class Results {
  /** seek(seconds) is called when the moment is set here. */
  constructor(seek) {
    this.answer = this.mouse = this.recorded = this.pointed = null;
    this.chosen = [];
    this.time = 0;
    this.due = null; // request of a frame to draw in
    const picks = {
      time: (seconds) => (seek(seconds), this.say()),
      point: (neuron) => this.point(neuron),
      choose: (neuron) => this.toggle(neuron),
    };
    const marks = () => ({
      time: this.moment, chosen: this.chosen, pointed: this.pointed, of: $("map-of").value, scale: $("scale").value,
    });
    this.raster = new Raster($("raster"), marks, picks);
    this.map = new CortexMap($("map"), marks, picks);
    this.traces = new Traces($("traces"), (neuron) => this.toggle(neuron));
    for (const id of ["order", "scale"]) $(id).addEventListener("change", () => this.arrange());
    $("map-of").addEventListener("change", () => this.draw());
    $("choose").addEventListener("submit", (event) => this.add(event));
    $("clear").addEventListener("click", () => this.choose([]));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (this.raster.repaint(), this.draw()));
  }

  /** Show a mouse, before anything is asked of it. */
  meet(mouse) {
    this.mouse = mouse;
    this.answer = null;
    this.pointed = null;
    this.chosen = [];
    for (const id of ["answered", "traces-card", "numbers-card", "legend"]) $(id).hidden = true;
    $("empty").hidden = false;
    this.map.show(mouse, null);
    $("map-choice").hidden = !mouse.positions;
    $("map-about").textContent = mouse.positions
      ? `${mouse.neurons} neurons at their places, seen from above${areasOf(mouse)}.`
      : "Where this mouse's neurons lie is not known to this model, so there is no map.";
    this.draw();
  }

  /** Show an answer; neurons that were chosen stay chosen, at first the most variable ones are. */
  show(answer) {
    const isFirst = !this.answer;
    this.answer = answer;
    for (const id of ["answered", "traces-card", "numbers-card"]) $(id).hidden = false;
    $("empty").hidden = true;
    $("legend").hidden = !this.mouse.positions;
    this.map.show(this.mouse, answer);
    this.arrange();
    this.choose(isFirst ? strongest(answer, AT_FIRST) : this.chosen);
  }

  /** Compare with recorded responses {data, neurons, frames, name}, or with none any more: null. */
  compare(recorded) {
    this.recorded = recorded;
    if (this.answer) this.choose(this.chosen);
  }

  at(seconds) {
    this.time = seconds;
    this.draw();
  }

  csv() {
    return csvOf(this.answer, this.chosen, this.mouse.unit_ids, this.recorded);
  }

  arrange() {
    this.raster.show(this.answer, $("order").value, $("scale").value);
    this.draw();
  }

  point(neuron) {
    this.pointed = neuron;
    this.draw();
    this.say();
  }

  toggle(neuron) {
    const isChosen = this.chosen.includes(neuron);
    this.pointed = neuron;
    this.choose(isChosen ? this.chosen.filter((other) => other !== neuron) : [...this.chosen, neuron].slice(-MOST_CHOSEN));
    this.say(`${isChosen ? "Removed" : "Chose"} ${this.name(neuron)}`);
  }

  add(event) {
    event.preventDefault();
    const neuron = this.mouse.unit_ids.indexOf(Number($("unit").value));
    $("unit").setCustomValidity(neuron < 0 ? `This mouse has no unit ${$("unit").value}.` : "");
    $("unit").reportValidity();
    $("unit").oninput = () => $("unit").setCustomValidity("");
    if (neuron < 0) return;
    if (!this.chosen.includes(neuron)) this.toggle(neuron);
    $("unit").value = "";
  }

  choose(neurons) {
    this.chosen = neurons;
    this.traces.show(this.answer, neurons, neurons.map((neuron) => this.name(neuron)), this.recorded);
    this.draw();
  }

  /** Once a frame of the screen, however much changes. */
  draw() {
    this.due ??= requestAnimationFrame(() => {
      this.due = null;
      this.paint();
    });
  }

  paint() {
    this.map.draw();
    if (!this.answer) return;
    this.raster.draw();
    this.traces.at(this.moment * this.answer.rate);
    $("readout").textContent = this.reading();
    [$("legend-low").textContent, $("legend-high").textContent] = this.map.ends();
  }

  /** For those who hear the page: only what they do is told, not every frame of a clip that plays. */
  say(what = this.reading()) {
    $("said").textContent = what;
  }

  /** The time within the answer: a clip that was chosen since may be longer. */
  get moment() {
    return this.answer ? Math.min(this.time, this.answer.frames / this.answer.rate) : this.time;
  }

  reading() {
    const { answer, pointed } = this;
    const frame = Math.min(answer.frames - 1, Math.floor(this.moment * answer.rate + 1e-6));
    const moment = `${this.moment.toFixed(2)} s, frame ${frame}`;
    if (pointed === null) return moment;
    return `${moment} · ${this.name(pointed)}: ${answer.responses[pointed * answer.frames + frame].toPrecision(3)}, mean ${answer.means[pointed].toPrecision(3)}`;
  }

  name(neuron) {
    const { unit_ids: ids, areas, positions } = this.mouse;
    const place = positions ? ` at ${positions[neuron].map((part) => Math.round(part)).join(", ")} µm` : "";
    return `unit ${ids[neuron]}${areas ? ` in ${areas[neuron]}` : ""}${place}`;
  }
}

function areasOf({ areas }) {
  if (!areas) return "";
  const counts = new Map();
  for (const area of areas) counts.set(area, (counts.get(area) ?? 0) + 1);
  return `: ${[...counts].map(([area, count]) => `${area} ${count}`).join(", ")}`;
}

/** Those whose peaks rise most above their means, and are not weak. */
function strongest(answer, count) {
  const rise = (neuron) => answer.peaks[neuron] - answer.means[neuron];
  return Array.from({ length: answer.neurons }, (_, index) => index).sort((a, b) => rise(b) - rise(a)).slice(0, count);
}
