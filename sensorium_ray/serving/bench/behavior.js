// What the mouse does: sliders for the channels that a model takes.

import { build, values } from "./controls.js";

const dilation = { label: "Pupil dilation", unit: "px", min: 0, max: 120, typical: 50 };
const running = { label: "Running speed", unit: "cm/s", min: 0, max: 60, typical: 0 };
const change = { label: "Change of pupil dilation", unit: "px", min: -10, max: 10, typical: 0 };
/** Channels of the benchmarks' releases, by how many there are: 2023 and 2022. */
const CHANNELS = { 2: [dilation, running], 3: [dilation, change, running] };
const CENTRE = [
  { label: "Pupil, horizontal", unit: "px", min: 0, max: 320, typical: 150 },
  { label: "Pupil, vertical", unit: "px", min: 0, max: 240, typical: 120 },
];

/** Sliders for a mouse of a model, at its means in training where they are known. */
export function show(container, model, mouse, changed) {
  const channels = CHANNELS[model.behavior_channels] ?? numbered(model.behavior_channels);
  const specs = [...sliders("behavior", channels, mouse.behavior_mean), ...sliders("pupil_center", CENTRE, mouse.pupil_center_mean)];
  build(container, model.inputs === "normalised" ? specs.map(normalised) : specs, changed);
}

/** {behavior: (channels,), pupil_center: (2,)} as they are set. */
export function states(container) {
  const set = { behavior: [], pupil_center: [] };
  for (const [id, value] of Object.entries(values(container))) set[id.replace(/-\d+$/, "")].push(value);
  return set;
}

function sliders(name, channels, means) {
  return channels.map(({ label, unit, min, max, typical }, index) => {
    const value = Number((means?.[index] ?? typical).toFixed(2));
    return { id: `${name}-${index}`, label, unit, step: 0.01, value, min: Math.min(min, 2 * value), max: Math.max(max, 2 * value) };
  });
}

function normalised(spec) {
  return { ...spec, unit: "normalised", min: -3, max: 3, value: 0 };
}

function numbered(count) {
  return Array.from({ length: count }, (_, index) => ({ label: `Channel ${index + 1}`, unit: "", min: -100, max: 100, typical: 0 }));
}
