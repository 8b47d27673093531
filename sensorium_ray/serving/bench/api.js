// The endpoint's API: what models there are, and what they answer.

const KEY = "sensorium-key"; // of this tab, forgotten when it is closed
const MOST_NUMBERS = 40e6; // of an answer that the page shows

/** A request that was not answered; message: one sentence, what is wrong and how to mend it. */
export class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Send this key from now on. */
export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** Whether there is a key that is sent. */
export function hasKey() {
  return Boolean(sessionStorage.getItem(KEY));
}

/** Descriptions of all models. */
export async function listModels() {
  return (await (await ask("v1/models")).json()).models;
}

/** What a model knows of one of its mice. */
export async function describeMouse(model, mouse) {
  return (await ask(`v1/models/${encodeURIComponent(model)}/mice/${encodeURIComponent(mouse)}`)).json();
}

/** Frames of an answer of so many neurons that the page shows; longer ones are cut. */
export function mostFrames(neurons) {
  return Math.max(1, Math.floor(MOST_NUMBERS / neurons));
}

/**
 * Ask for a prediction.
 *
 * asked: {model, mouse, neurons (how many), file, name, rate, states ({behavior, pupil_center} or {})}.
 * form: media type of the answer.
 * all: of all frames, however many; else of so many as the page can show.
 */
export function predict(asked, form, { signal, all = false } = {}) {
  const address = new URLSearchParams({ mouse: asked.mouse, rate: asked.rate });
  if (!all) address.set("frames", `0..${mostFrames(asked.neurons) - 1}`);
  const body = new FormData();
  body.append("video", asked.file, asked.name);
  for (const [name, values] of Object.entries(asked.states)) body.append(name, JSON.stringify(values));
  const path = `v1/models/${encodeURIComponent(asked.model)}/predict?${address}`;
  return ask(path, { method: "POST", body, headers: { Accept: form }, signal });
}

/** Experiments that can be made, each with its settings; none where the endpoint makes none. */
export async function listExperiments() {
  return (await (await ask("v1/experiments")).json()).experiments;
}

/** Have an experiment made; asked: {experiment, model, mouse, neurons, settings}. Answers its run. */
export async function makeExperiment(asked) {
  const headers = { "Content-Type": "application/json" };
  return (await ask("v1/experiments", { method: "POST", body: JSON.stringify(asked), headers })).json();
}

/** How far a run is. */
export async function followRun(id) {
  return (await ask(`v1/experiments/runs/${id}`)).json();
}

/** Cancel a run. */
export function cancelRun(id) {
  return ask(`v1/experiments/runs/${id}`, { method: "DELETE" });
}

/** What a run found, as a blob; what: 'result' or 'picture', in a form such as 'netcdf' or 'png'. */
export async function fetchRun(id, what, form) {
  return (await ask(`v1/experiments/runs/${id}/${what}?format=${form}`)).blob();
}

async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  const key = sessionStorage.getItem(KEY);
  if (key) headers.set("Authorization", `Bearer ${key}`);
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The endpoint does not answer; see whether it runs, then try again.");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Problem(told.detail ?? `The endpoint refused with status ${answer.status}.`, answer.status);
}
