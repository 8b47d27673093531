// An answer of the endpoint, and what is computed of it.

import { readNpy } from "./npy.js";

const SETTLING = 50; // frames at the beginning that the benchmark's metrics leave out

/**
 * What an npy that was answered holds: {responses (neurons * frames), neurons, frames, rate, about}, and of every neuron
 * {means, lows, peaks, peakFrames}; high: what few neurons' peaks exceed.
 */
export async function read(response) {
  const about = JSON.parse(response.headers.get("Sensorium-About"));
  const { shape: [neurons, frames], data: responses } = readNpy(await response.arrayBuffer());
  const [means, lows, peaks] = [0, 1, 2].map(() => new Float32Array(neurons));
  const peakFrames = new Int32Array(neurons);
  for (let neuron = 0, at = 0; neuron < neurons; neuron++) {
    let sum = 0, low = Infinity, peak = -Infinity;
    for (let frame = 0; frame < frames; frame++, at++) {
      const value = responses[at];
      sum += value;
      if (value < low) low = value;
      if (value > peak) [peak, peakFrames[neuron]] = [value, frame];
    }
    [means[neuron], lows[neuron], peaks[neuron]] = [sum / frames, low, peak];
  }
  return { responses, neurons, frames, rate: about.rate, about, means, lows, peaks, peakFrames, high: quantile(peaks, 0.9) };
}

/** Value below which a share of the values lies. */
export function quantile(values, share) {
  const sorted = Float32Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** Indices of all neurons, in an order: by time of the peak, by mean, strongest first, or as they are. */
export function sorted(answer, by) {
  const indices = Int32Array.from({ length: answer.neurons }, (_, index) => index);
  if (by === "peak") indices.sort((a, b) => answer.peakFrames[a] - answer.peakFrames[b] || a - b);
  if (by === "mean") indices.sort((a, b) => answer.means[b] - answer.means[a] || a - b);
  return indices;
}

/** Range of responses that a neuron's colours stand for, [low, high]: its own, or the same for all. */
export function rangeOf(answer, neuron, scale) {
  const [low, high] = scale === "own" ? [answer.lows[neuron], answer.peaks[neuron]] : [0, answer.high];
  return [low, high > low ? high : low + 1];
}

/** Where in that range a neuron's response to a frame lies, 0 to 1. */
export function shareOf(answer, neuron, frame, scale) {
  const [low, high] = rangeOf(answer, neuron, scale);
  return (answer.responses[neuron * answer.frames + frame] - low) / (high - low);
}

/** A neuron's responses. */
export function trace(answer, neuron) {
  return answer.responses.subarray(neuron * answer.frames, (neuron + 1) * answer.frames);
}

/** A neuron's recorded responses, as many as were predicted or fewer. */
export function recordedTrace(recorded, neuron, frames) {
  const from = neuron * recorded.frames;
  return recorded.data.subarray(from, from + Math.min(frames, recorded.frames));
}

/** Pearson's correlation of two traces, over the frames that count: {value, from, to}; value is NaN where one is constant. */
export function correlation(predicted, recorded) {
  const from = recorded.length > SETTLING + 1 ? SETTLING : 0;
  let count = 0, p = 0, r = 0, pp = 0, rr = 0, pr = 0;
  for (let frame = from; frame < recorded.length; frame++) {
    const [x, y] = [predicted[frame] - predicted[from], recorded[frame]];
    if (!Number.isFinite(y)) continue; // frames after a trial's end
    count++;
    p += x, r += y, pp += x * x, rr += y * y, pr += x * y;
  }
  const value = (pr - (p * r) / count) / Math.sqrt((pp - (p * p) / count) * (rr - (r * r) / count));
  return { value: Math.abs(value) <= 1.000001 ? value : NaN, from, to: recorded.length - 1 };
}
