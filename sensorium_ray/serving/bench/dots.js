// Many small discs, pixel by pixel: thousands are drawn anew in every frame of a clip that plays.

import { colour, levels, rgb } from "./canvas.js";

const EDGE = 0.5; // px around a disc

/**
 * Draw discs on an empty canvas.
 *
 * places: [x, y] of each in CSS pixels; byLevel: indices of those of each colour, the last on top; radius: CSS pixels.
 */
export function draw(context, places, byLevel, radius) {
  const { width, height } = context.canvas;
  const ratio = devicePixelRatio;
  const image = new ImageData(width, height);
  const pixels = image.data;
  const stamp = stampOf(radius * ratio, EDGE * ratio);
  const [well, edge] = ["well", "dot-edge"].map((name) => rgb(colour(name)));
  new Uint32Array(pixels.buffer).fill(((255 << 24) | (well[2] << 16) | (well[1] << 8) | well[0]) >>> 0);
  const colours = levels(byLevel.length);
  byLevel.forEach((indices, level) => {
    for (const index of indices) {
      const x = Math.round(places[index][0] * ratio), y = Math.round(places[index][1] * ratio);
      for (const { right, down, cover, core } of stamp) {
        const column = x + right, row = y + down;
        if (column < 0 || row < 0 || column >= width || row >= height) continue;
        const at = 4 * (row * width + column);
        for (let channel = 0; channel < 3; channel++) {
          const paint = edge[channel] + core * (colours[level][channel] - edge[channel]);
          pixels[at + channel] += cover * (paint - pixels[at + channel]);
        }
      }
    }
  });
  context.putImageData(image, 0, 0);
}

/** Pixels of a disc: how much of each is covered, and how much of that is within the edge. */
function stampOf(radius, edge) {
  const reach = Math.ceil(radius + edge);
  const within = (size, distance) => Math.min(1, Math.max(0, size + 0.5 - distance));
  const pixels = [];
  for (let down = -reach; down <= reach; down++) {
    for (let right = -reach; right <= reach; right++) {
      const distance = Math.hypot(right, down);
      const cover = within(radius + edge, distance);
      if (cover) pixels.push({ right, down, cover, core: within(radius, distance) });
    }
  }
  return pixels;
}
