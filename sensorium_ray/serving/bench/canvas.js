// What pictures on canvases share: sharp pixels, and the page's colours.

/** Context of a canvas in CSS pixels, cleared, at the screen's resolution; height is the style sheet's. */
export function begin(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  return { context, width, height };
}

/** A colour of the style sheet. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Colours of a sequence of levels, [red, green, blue] each, between those that the style sheet names. */
export function levels(count) {
  const anchors = [0, 1, 2, 3, 4].map((index) => rgb(colour(`map-${index}`)));
  return Array.from({ length: count }, (_, level) => {
    const place = (level / (count - 1)) * (anchors.length - 1);
    const below = Math.min(Math.floor(place), anchors.length - 2);
    return anchors[below].map((value, channel) => Math.round(value + (place - below) * (anchors[below + 1][channel] - value)));
  });
}

/** Round steps that divide a range into few: 0.5, 1, 2, 5, 10, … */
export function step(range, most) {
  const rough = range / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
}

/** [red, green, blue] of '#rrggbb'. */
export function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
