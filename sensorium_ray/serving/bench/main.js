// The page: what is asked, when, and what becomes of the answer.

import { read } from "./answer.js";
import * as api from "./api.js";
import * as behavior from "./behavior.js";
import { build, enable, values } from "./controls.js";
import { nameOf, save } from "./downloads.js";
import { Experiments } from "./experiments.js";
import { open } from "./files.js";
import { npyBlob } from "./npy.js";
import { Player } from "./player.js";
import { Results } from "./results.js";
import { STIMULI } from "./stimuli.js";

const NPY = "application/x-npy";
const ENDINGS = {
  [NPY]: "npy", "application/x-npz": "npz", "application/vnd.apache.parquet": "parquet",
  "application/vnd.apache.arrow.stream": "arrows",
};
const FILE = "file";
const SECONDS = { id: "seconds", label: "Duration (0: one frame)", min: 0, max: 60, step: 0.1, value: 3, unit: "s" };
const RATE = { id: "rate", label: "Frames per second of the file", min: 1, max: 240, step: 0.1, value: 30 };
const $ = (id) => document.getElementById(id);

const page = {
  models: [], model: null, mouse: null, // descriptions
  dropped: null, // film of the file that was dropped
  recorded: null, // responses; of: the clip's file that they came with
  film: null, // that is shown
  settings: {}, // of the stimuli, kept while others are looked at
  asked: null, // what was answered
  meeting: null, // promise of the mouse that was chosen last
  again: start, // what was being tried when a key was asked for
  running: null, // AbortController of the request under way
};

const results = new Results((seconds) => (player.pause(), player.seek(seconds)));
const player = new Player(
  { canvas: $("frame"), video: $("video"), picture: $("picture"), play: $("play"), slider: $("time"), now: $("now"), about: $("clip-about") },
  (seconds) => results.at(seconds),
);

const experiments = new Experiments();

async function start() {
  page.models = await api.listModels();
  if (!page.models.length) throw new api.Problem("This endpoint has no models; add bundles to its folder.");
  $("model").replaceChildren(...page.models.map(({ name }) => new Option(name)));
  await meetModel();
  await experiments.meet();
}

async function meetModel() {
  page.model = page.models.find(({ name }) => name === $("model").value);
  const { mice, architecture, kind, frame_shape: [height, width], rate, inputs, checksum } = page.model;
  const before = $("mouse").value;
  $("mouse").replaceChildren(...mice.map(({ name }) => new Option(name)));
  if (mice.some(({ name }) => name === before)) $("mouse").value = before;
  $("model-about").textContent =
    `${kind === "ensemble" ? "Ensemble" : architecture}, frames of ${width} × ${height} at ${rate} a second.` +
    (inputs === "normalised" ? " It takes inputs that were normalised beforehand: what is made here is not." : "");
  $("checksum").textContent = checksum.slice(0, 12);
  await meetMouse();
}

async function meetMouse() {
  $("predict").disabled = true;
  const asked = (page.meeting = api.describeMouse(page.model.name, $("mouse").value));
  const mouse = await asked;
  if (page.meeting !== asked) return; // another was chosen meanwhile
  page.mouse = mouse;
  page.asked = null;
  setBehavior();
  results.meet(mouse);
  setStimulus();
  $("predict").disabled = false;
}

function setBehavior() {
  behavior.show($("behavior-controls"), page.model, page.mouse, stale);
  $("behavior-about").textContent = page.mouse.behavior_mean
    ? "At first the mouse's means in training."
    : "This model does not know the mouse's means: the sliders begin at typical values.";
  useOwnStates();
}

/** Controls of the chosen kind of stimulus, as they were left. */
function setStimulus() {
  if (!page.mouse) throw new api.Problem("There is no model yet; try again in a moment.");
  const kind = kindOf();
  $("drop").hidden = kind !== FILE;
  const specs = kind === FILE ? (page.dropped?.pixels ? [{ ...RATE, value: page.model.rate }] : []) : [...STIMULI[kind].controls, SECONDS];
  const kept = page.settings[kind] ?? {};
  build($("stimulus-controls"), specs.map((spec) => ({ ...spec, value: kept[spec.id] ?? spec.value })), changeStimulus);
  makeFilm();
}

let due = 0;
function changeStimulus() {
  page.settings[kindOf()] = values($("stimulus-controls"));
  clearTimeout(due);
  due = setTimeout(makeFilm, 60); // once for a slider that is being pulled
}

/** The film of what is set; of large or long ones it takes a moment. */
function makeFilm() {
  clearTimeout(due);
  due = 0;
  const kind = kindOf();
  const set = values($("stimulus-controls"));
  if (kind === FILE) {
    page.film = page.dropped && { ...page.dropped, rate: set.rate ?? page.model.rate };
  } else {
    const { frame_shape: [height, width], rate } = page.model;
    const size = { frames: Math.max(1, Math.round(set.seconds * rate)), height, width, rate };
    const data = STIMULI[kind].frames(set, size);
    const file = npyBlob(data, [size.frames, height, width]);
    page.film = { file, name: `${kind}.npy`, pixels: { data, ...size }, states: [], rate };
  }
  player.pause();
  $("clip-card").classList.toggle("blank", !page.film);
  if (page.film) player.show(page.film);
  else $("clip-about").textContent = "No file yet.";
  useOwnStates();
  stale();
}

/** What the file tells of the mouse, if it is to count, takes the sliders' place. */
function useOwnStates() {
  const own = page.film?.states ?? [];
  $("own-states").hidden = !own.length;
  enable($("behavior-controls"), (id) => !$("use-own").checked || !own.some((name) => id.startsWith(name)));
}

async function predict() {
  if (due) makeFilm();
  if (!page.film) throw new api.Problem("There is no file yet: choose one, or drop one on the page.");
  const { model, mouse, film } = page;
  const sent = { ...behavior.states($("behavior-controls")) };
  if ($("use-own").checked) for (const name of film.states) delete sent[name];
  const asked = { model: model.name, mouse: mouse.name, neurons: mouse.neurons, file: film.file, name: film.name, rate: film.rate, states: sent };
  const answer = await running("Predicting…", async (signal) => read(await api.predict(asked, NPY, { signal })));
  if (page.mouse !== mouse) return; // another was chosen meanwhile
  page.asked = asked;
  compare();
  results.show(answer);
  player.last(Math.max(answer.frames / answer.rate, film.pixels ? film.pixels.frames / film.rate : 0));
  $("answer-about").textContent = `${answer.neurons} neurons × ${answer.frames} frames of ${model.name} to ${film.name}; ${answer.about.units}.` +
    (answer.frames === api.mostFrames(mouse.neurons) ? " Of longer clips only these are shown; downloads hold all." : "");
  $("warnings").replaceChildren(...answer.about.warnings.map((words) => Object.assign(document.createElement("li"), { textContent: words })));
  $("status").replaceChildren("Done. ", Object.assign(document.createElement("a"), { href: "#raster-card", textContent: "See the responses" }));
}

/** Do what takes a while, and can be stopped. */
async function running(words, work) {
  page.running?.abort();
  const controller = (page.running = new AbortController());
  $("status").textContent = words;
  $("stop").hidden = false;
  document.body.classList.add("busy");
  try {
    return await work(controller.signal);
  } finally {
    if (page.running === controller) {
      page.running = null;
      $("stop").hidden = true;
      document.body.classList.remove("busy");
      $("status").textContent = "";
    }
  }
}

async function take(file) {
  const { film, recorded } = await open(file);
  if (film) {
    page.dropped = film;
    $("kinds").querySelector(`[value=${FILE}]`).checked = true;
    setStimulus();
  }
  if (recorded) page.recorded = { ...recorded, of: film?.file };
  else if (film && page.recorded?.of) page.recorded = null; // they were the former file's
  compare();
}

/** Show recorded responses beside the answer, if they are of the same clip and neurons, and say what was done. */
function compare() {
  const { recorded, asked, mouse } = page;
  const isOfClip = !recorded?.of || recorded.of === asked?.file;
  const isOfMouse = recorded?.neurons === mouse?.neurons;
  results.compare(isOfClip && isOfMouse ? recorded : null);
  $("forget").hidden = !recorded;
  if (!recorded) $("recorded-about").textContent = "To compare with: (neurons, frames), in the order of the model's neurons.";
  else if (!isOfClip) $("recorded-about").textContent = `${recorded.name} holds recorded responses to another clip than this answer's.`;
  else if (isOfMouse) $("recorded-about").textContent = `Grey: recorded, ${recorded.frames} frames of ${recorded.name}.`;
  else $("recorded-about").textContent = `${recorded.name} has ${recorded.neurons} neurons, this mouse ${mouse.neurons}: they are not compared.`;
}

async function download(form) {
  const { asked } = page;
  const { responses, neurons, frames } = results.answer;
  if (form === "csv") return save(results.csv(), nameOf(asked, "csv"));
  if (form === "stimulus") return save(asked.file, asked.name);
  if (form === NPY && frames < api.mostFrames(neurons)) return save(npyBlob(responses, [neurons, frames]), nameOf(asked, "npy"));
  const answer = await running("Fetching…", async (signal) => (await api.predict(asked, form, { signal, all: true })).blob());
  save(answer, nameOf(asked, ENDINGS[form]));
}

function makeExperiment() {
  const neurons = $("whom").value === "chosen" ? results.chosen : null;
  if (neurons && !neurons.length) throw new api.Problem("No neurons are chosen yet: press Predict, then click on some.");
  return experiments.make({ model: page.model.name, mouse: page.mouse.name, neurons });
}

function stale() {
  if (page.asked) $("status").textContent = "The settings changed since the answer below.";
}

function kindOf() {
  return $("kinds").querySelector(":checked").value;
}

/** Try something; what goes wrong is told in a sentence, and tried again once there is a key. */
async function attempt(what) {
  $("problem").hidden = true;
  try {
    await what();
  } catch (error) {
    if (error.name === "AbortError") return void ($("status").textContent ||= "Stopped.");
    if (error.status === 401) {
      page.again = what;
      $("key-form").hidden = false;
      $("key").focus();
      if (!api.hasKey()) return; // the form says it
    }
    $("problem").textContent = error.message;
    $("problem").hidden = false;
    $("problem").scrollIntoView({ block: "nearest" });
  }
}

function on(id, event, does) {
  $(id).addEventListener(event, (fired) => {
    if (event === "submit") fired.preventDefault();
    attempt(() => does(fired));
  });
}

for (const [value, label] of [...Object.entries(STIMULI).map(([name, { label }]) => [name, label]), [FILE, "File"]]) {
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: "kind", value });
  const element = document.createElement("label");
  element.append(radio, label);
  $("kinds").append(element);
}
$("kinds").querySelector("input").checked = true;

on("model", "change", meetModel);
on("mouse", "change", meetMouse);
on("kinds", "change", setStimulus);
on("use-own", "change", () => (useOwnStates(), stale()));
on("reset-behavior", "click", () => (setBehavior(), stale()));
on("ask", "submit", predict);
on("stop", "click", () => page.running?.abort());
on("downloads", "click", ({ target }) => target.dataset.form && download(target.dataset.form));
on("experiment", "change", () => experiments.choose());
on("make-experiment", "submit", makeExperiment);
on("cancel", "click", () => experiments.cancel());
on("experiment-downloads", "click", ({ target }) => target.dataset.form && experiments.download(target.dataset.what, target.dataset.form));
on("forget", "click", () => {
  page.recorded = null;
  compare();
});
on("key-form", "submit", () => {
  api.useKey($("key").value.trim());
  $("key").value = "";
  $("key-form").hidden = true;
  return attempt(page.again);
});
for (const id of ["file", "recorded"]) {
  on(id, "change", async ({ target }) => {
    if (target.files.length) await take(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
}
document.addEventListener("dragover", (event) => (event.preventDefault(), document.body.classList.add("dropping")));
document.addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const [file] = event.dataTransfer.files;
  if (file) attempt(() => take(file));
});

attempt(start);
