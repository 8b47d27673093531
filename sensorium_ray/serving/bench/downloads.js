// Numbers as files.

import { recordedTrace, trace } from "./answer.js";

/** Let the browser save a blob. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // it is read a little later
}

/** A name of what an experiment gave: 'gru-dynamic29515-grating.npz'. */
export function nameOf({ model, mouse, name }, ending) {
  const stimulus = name.replace(/\.[^.]*$/, "");
  return `${[model, mouse.split("-")[0], stimulus].join("-").replace(/[^\w.-]+/g, "_")}.${ending}`;
}

/** CSV of some neurons: a row a frame; time in seconds, then a column a neuron, and one more where it was recorded. */
export function csvOf(answer, chosen, unitIds, recorded) {
  const columns = chosen.map((neuron) => trace(answer, neuron));
  const names = chosen.map((neuron) => `unit_${unitIds[neuron]}`);
  if (recorded) {
    columns.push(...chosen.map((neuron) => recordedTrace(recorded, neuron, answer.frames)));
    names.push(...chosen.map((neuron) => `unit_${unitIds[neuron]}_recorded`));
  }
  const rows = Array.from({ length: answer.frames }, (_, frame) => {
    const values = columns.map((column) => (Number.isFinite(column[frame]) ? column[frame] : ""));
    return [frame / answer.rate, ...values].join(",");
  });
  return new Blob([[["time", ...names].join(","), ...rows, ""].join("\n")], { type: "text/csv" });
}
