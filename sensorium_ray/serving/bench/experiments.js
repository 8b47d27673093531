// Experiments that the endpoint makes: which, with what settings, how far they are, and what they found.

import * as api from "./api.js";
import { save } from "./downloads.js";

const PAUSE = 500; // ms between two questions of how far it is
const ENDINGS = { netcdf: "nc", parquet: "parquet", png: "png", svg: "svg" };
const $ = (id) => document.getElementById(id);

export class Experiments {
  #known = [];
  #run = null; // that was asked for last
  #picture = null; // address of its picture

  /** Show which there are; where there are none, nothing is shown. */
  async meet() {
    this.#known = await api.listExperiments();
    $("experiments-card").hidden = !this.#known.length;
    $("experiment").replaceChildren(...this.#known.map(({ name }) => new Option(name.replaceAll("_", " "), name)));
    if (this.#known.length) this.choose();
  }

  /** Show the settings of the chosen one. */
  choose() {
    const { summary, settings } = this.#chosen();
    $("experiment-about").textContent = summary;
    $("experiment-settings").replaceChildren(...settings.map(setting));
  }

  /** Make the chosen one; whom: {model, mouse, neurons}, where no neurons are all. */
  async make(whom) {
    const asked = { experiment: this.#chosen().name, ...whom, settings: this.#changed() };
    this.#show(null);
    $("experiment-status").textContent = "Planning…";
    $("make").disabled = true;
    try {
      const run = (this.#run = await api.makeExperiment(asked));
      $("cancel").hidden = false;
      await this.#follow(run);
    } finally {
      $("make").disabled = false;
      $("cancel").hidden = true;
      $("experiment-progress").hidden = true;
      if (!this.#run) $("experiment-status").textContent = "";
    }
  }

  /** Cancel what is being made. */
  async cancel() {
    const { id } = this.#run;
    this.#run = null;
    await api.cancelRun(id);
  }

  /** Let the browser save what was found. */
  async download(what, form) {
    const { id, experiment, model } = this.#run;
    save(await api.fetchRun(id, what, form), `${model}-${experiment}.${ENDINGS[form]}`);
  }

  async #follow(run) {
    let state = run;
    while (state.state === "waiting" || state.state === "running") {
      this.#tell(state);
      await new Promise((wake) => setTimeout(wake, PAUSE));
      if (this.#run !== run) return; // it was cancelled
      state = await api.followRun(run.id);
    }
    if (state.state === "failed") {
      this.#run = null;
      throw new api.Problem(state.fault);
    }
    this.#show(await api.fetchRun(run.id, "picture", "png"));
    const neurons = run.neurons ? `${run.neurons.length} neurons` : "all neurons";
    $("experiment-status").textContent = `${run.experiment.replaceAll("_", " ")} of ${run.model}, ${run.mouse}, ${neurons}.`;
  }

  #tell({ state, done, total }) {
    $("experiment-progress").hidden = !total;
    $("experiment-progress").max = total || 1;
    $("experiment-progress").value = done;
    $("experiment-status").textContent = state === "waiting" ? "Waiting for its turn…" : done && done === total ? "Evaluating…" : total ? `${done} of ${total}` : "Beginning…";
  }

  #show(picture) {
    URL.revokeObjectURL(this.#picture);
    this.#picture = picture && URL.createObjectURL(picture);
    if (picture) $("experiment-picture").src = this.#picture;
    $("experiment-found").hidden = !picture;
  }

  #chosen() {
    return this.#known.find(({ name }) => name === $("experiment").value);
  }

  /** Settings that are others than usual. */
  #changed() {
    const boxes = [...$("experiment-settings").querySelectorAll("input")].filter(({ value, defaultValue }) => value !== defaultValue);
    return Object.fromEntries(boxes.map(({ name, value }) => [name, parsed(value)]));
  }
}

function setting({ name, usual, about }) {
  const box = Object.assign(document.createElement("input"), { id: `setting-${name}`, name, autocomplete: "off" });
  box.defaultValue = typeof usual === "string" ? usual : JSON.stringify(usual);
  const label = Object.assign(document.createElement("label"), { htmlFor: box.id, textContent: name.replaceAll("_", " ") });
  const hint = Object.assign(document.createElement("p"), { className: "hint", textContent: about });
  const element = document.createElement("div");
  element.append(label, box, hint);
  return element;
}

/** A number, a list or a truth value as JSON has it, else a text. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
