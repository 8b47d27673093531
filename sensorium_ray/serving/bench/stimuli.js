// Stimuli that the page makes: grey levels 0..255, frame by frame.

import { generator } from "./random.js";

const GREY = 128;
const MOST = 127; // grey levels between grey and white

const contrast = { id: "contrast", label: "Contrast", min: 0, max: 1, step: 0.01, value: 0.9 };
const direction = { id: "direction", label: "Direction (0 right, 90 up)", min: 0, max: 359, step: 1, value: 0, unit: "°" };
const pitch = { id: "pitch", label: "Spatial frequency", min: 0.25, max: 12, step: 0.05, value: 3, unit: "cycles/width" };
const drift = { id: "drift", label: "Temporal frequency", min: 0, max: 12, step: 0.1, value: 2, unit: "Hz" };
const renewals = { id: "renewals", label: "New patterns", min: 0.5, max: 30, step: 0.5, value: 10, unit: "a second" };
const seed = { id: "seed", label: "Seed", min: 0, max: 9999, step: 1, value: 0 };

/** By name: label, controls, and frames(settings, size) -> Uint8Array; size: {frames, height, width, rate}. */
export const STIMULI = {
  grating: { label: "Grating", controls: [direction, pitch, drift, contrast], frames: grating },
  gabor: {
    label: "Gabor",
    controls: [
      { ...direction, value: 45 },
      { ...pitch, value: 4 },
      drift,
      { id: "x", label: "Centre, from the left", min: 0, max: 100, step: 1, value: 50, unit: "% of width" },
      { id: "y", label: "Centre, from the top", min: 0, max: 100, step: 1, value: 50, unit: "% of height" },
      { id: "size", label: "Size (standard deviation)", min: 1, max: 50, step: 0.5, value: 12, unit: "% of width" },
      contrast,
    ],
    frames: grating,
  },
  dots: {
    label: "Dots",
    controls: [
      direction,
      { id: "coherence", label: "Coherence", min: 0, max: 1, step: 0.01, value: 0.8 },
      { id: "speed", label: "Speed", min: 0, max: 2, step: 0.01, value: 0.4, unit: "widths/s" },
      { id: "density", label: "Dots", min: 1, max: 300, step: 1, value: 90 },
      { id: "radius", label: "Dot radius", min: 0.5, max: 8, step: 0.1, value: 1.5, unit: "% of width" },
      contrast,
      seed,
    ],
    frames: dots,
  },
  binary: {
    label: "Binary noise",
    controls: [{ id: "scale", label: "Square", min: 1, max: 50, step: 0.5, value: 6, unit: "% of width" }, renewals, contrast, seed],
    frames: binaryNoise,
  },
  pink: {
    label: "Pink noise",
    controls: [{ id: "scale", label: "Largest patch", min: 3, max: 100, step: 1, value: 50, unit: "% of width" }, renewals, contrast, seed],
    frames: pinkNoise,
  },
};

/** A drifting grating, behind a Gaussian window if a size is set. */
function grating(settings, { frames, height, width, rate }) {
  const angle = (settings.direction * Math.PI) / 180;
  const cycles = settings.pitch / width;
  const centre = [((settings.x ?? 50) / 100) * width - 0.5, ((settings.y ?? 50) / 100) * height - 0.5];
  const spread = settings.size === undefined ? Infinity : (settings.size / 100) * width;
  const even = new Float64Array(height * width), odd = new Float64Array(height * width);
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      const right = x - centre[0], up = centre[1] - y;
      const phase = 2 * Math.PI * cycles * (right * Math.cos(angle) + up * Math.sin(angle));
      const gain = MOST * settings.contrast * Math.exp(-(right ** 2 + up ** 2) / (2 * spread ** 2));
      even[pixel] = gain * Math.cos(phase);
      odd[pixel] = gain * Math.sin(phase);
    }
  }
  const out = new Uint8Array(frames * height * width);
  for (let frame = 0, at = 0; frame < frames; frame++) {
    const passed = (2 * Math.PI * settings.drift * frame) / rate;
    const cosine = Math.cos(passed), sine = Math.sin(passed);
    for (let pixel = 0; pixel < even.length; pixel++, at++) {
      out[at] = Math.round(GREY + even[pixel] * cosine + odd[pixel] * sine);
    }
  }
  return out;
}

/** A share of the dots goes one way, the rest each its own; who leaves comes in on the other side. */
function dots(settings, { frames, height, width, rate }) {
  const draw = generator(settings.seed);
  const angle = (settings.direction * Math.PI) / 180;
  const step = (settings.speed * width) / rate;
  const radius = (settings.radius / 100) * width;
  const reach = radius + 1;
  const moving = Array.from({ length: settings.density }, (_, index) => {
    const way = draw() < settings.coherence ? angle : draw() * 2 * Math.PI;
    return {
      x: draw() * (width + 2 * reach), y: draw() * (height + 2 * reach),
      dx: step * Math.cos(way), dy: -step * Math.sin(way),
      level: (index % 2 ? 1 : -1) * MOST * settings.contrast,
    };
  });
  const out = new Uint8Array(frames * height * width).fill(GREY);
  for (let frame = 0; frame < frames; frame++) {
    for (const dot of moving) {
      const x = wrapped(dot.x + frame * dot.dx, width + 2 * reach) - reach;
      const y = wrapped(dot.y + frame * dot.dy, height + 2 * reach) - reach;
      for (let row = Math.max(0, Math.ceil(y - reach)); row <= Math.min(height - 1, y + reach); row++) {
        for (let column = Math.max(0, Math.ceil(x - reach)); column <= Math.min(width - 1, x + reach); column++) {
          const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(row - y, column - x)));
          const at = (frame * height + row) * width + column;
          if (cover) out[at] = Math.round(out[at] + cover * (GREY + dot.level - out[at]));
        }
      }
    }
  }
  return out;
}

/** Squares that are black or white. */
function binaryNoise(settings, size) {
  const side = Math.max(1, (settings.scale / 100) * size.width);
  const columns = Math.ceil(size.width / side), rows = Math.ceil(size.height / side);
  const draw = generator(settings.seed);
  return renewed(settings, size, (pattern) => {
    const squares = Array.from({ length: rows * columns }, () => (draw() < 0.5 ? -1 : 1));
    fill(pattern, size, (x, y) => squares[Math.floor(y / side) * columns + Math.floor(x / side)]);
  });
}

/** Smooth noise of every octave, each half as wide and half as strong as the one before: about 1/f. */
function pinkNoise(settings, size) {
  const draw = generator(settings.seed);
  return renewed(settings, size, (pattern) => {
    pattern.fill(0);
    const largest = (settings.scale / 100) * size.width;
    for (let side = largest; side >= 1; side /= 2) {
      const columns = Math.ceil(size.width / side) + 2;
      const grid = Array.from({ length: columns * (Math.ceil(size.height / side) + 2) }, () => draw() - 0.5);
      const [right, down] = [draw(), draw()];
      fill(pattern, size, (x, y, at) => pattern[at] + (side / largest) * smooth(grid, columns, x / side + right, y / side + down));
    }
    const spread = Math.sqrt(pattern.reduce((sum, value) => sum + value ** 2, 0) / pattern.length) || 1;
    for (let at = 0; at < pattern.length; at++) pattern[at] = Math.min(1, Math.max(-1, pattern[at] / (2.5 * spread)));
  });
}

/** Frames of patterns (values -1..1) that are drawn anew so many times a second. */
function renewed(settings, { frames, height, width, rate }, redraw) {
  const pattern = new Float64Array(height * width);
  const out = new Uint8Array(frames * pattern.length);
  let shown = -1;
  for (let frame = 0; frame < frames; frame++) {
    const due = Math.floor((frame * settings.renewals) / rate + 1e-9);
    if (due !== shown) redraw(pattern);
    shown = due;
    const from = frame * pattern.length;
    for (let at = 0; at < pattern.length; at++) out[from + at] = Math.round(GREY + MOST * settings.contrast * pattern[at]);
  }
  return out;
}

function fill(pattern, { height, width }, value) {
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) pattern[at] = value(x, y, at);
  }
}

/** Value between the points of a grid, bilinear. */
function smooth(grid, columns, x, y) {
  const column = Math.floor(x), row = Math.floor(y), right = x - column, down = y - row;
  const at = row * columns + column;
  const above = grid[at] + right * (grid[at + 1] - grid[at]);
  const below = grid[at + columns] + right * (grid[at + columns + 1] - grid[at + columns]);
  return above + down * (below - above);
}

function wrapped(value, length) {
  return ((value % length) + length) % length;
}
