// The clip on the screen, and the clock that everything on the page follows.

export class Player {
  /** parts: {canvas, video, picture, play, slider, now, about}; moved(seconds) is called whenever the time changes. */
  constructor(parts, moved) {
    Object.assign(this, parts);
    this.moved = moved;
    this.seconds = 1; // length
    this.time = 0;
    this.running = false;
    this.play.addEventListener("click", () => (this.running ? this.pause() : this.start()));
    this.slider.addEventListener("input", () => {
      this.pause();
      this.seek(Number(this.slider.value));
    });
    this.video.addEventListener("loadedmetadata", () => this.last(this.video.duration));
    this.video.addEventListener("error", () => this.video.hidden || this.cannot());
    this.picture.addEventListener("error", () => this.picture.hidden || this.cannot());
  }

  /** Show a film: {file, name, pixels or null, rate}; what has no pixels is played by the browser if it can. */
  show(film) {
    this.film = film;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = film.pixels ? null : URL.createObjectURL(film.file);
    const still = film.file.type.startsWith("image/");
    this.canvas.hidden = !film.pixels;
    this.video.hidden = Boolean(film.pixels) || still;
    this.picture.hidden = Boolean(film.pixels) || !still;
    if (film.pixels) {
      [this.canvas.width, this.canvas.height] = [film.pixels.width, film.pixels.height];
      this.last(film.pixels.frames / film.rate);
      this.about.textContent = `${film.name}: ${film.pixels.frames} frames of ${film.pixels.width} × ${film.pixels.height} at ${film.rate} a second`;
    } else {
      (still ? this.picture : this.video).src = this.url;
      this.about.textContent = `${film.name}, ${size(film.file.size)}`;
    }
    this.seek(0);
  }

  /** Let the clock end after so many seconds. */
  last(seconds) {
    if (!Number.isFinite(seconds)) return;
    this.seconds = seconds;
    this.slider.max = seconds;
    this.seek(Math.min(this.time, seconds));
  }

  seek(seconds) {
    this.time = seconds;
    if (!this.video.hidden && !this.running && this.video.readyState) this.video.currentTime = seconds;
    this.follow();
  }

  start() {
    if (this.time >= this.seconds - 1e-3) this.seek(0);
    this.running = true;
    this.face();
    let before = performance.now();
    if (!this.video.hidden) this.video.play().catch(() => this.pause());
    const tick = (now) => {
      if (!this.running) return;
      const passed = Math.max(0, now - before) / 1000;
      before = now;
      this.time = this.plays() ? this.video.currentTime : this.time + passed;
      if (this.time >= this.seconds || (this.plays() && this.video.ended)) {
        this.time = this.seconds;
        this.pause();
      }
      this.follow();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  pause() {
    this.running = false;
    this.video.pause();
    this.face();
  }

  plays() {
    return !this.video.hidden;
  }

  cannot() {
    this.video.hidden = this.picture.hidden = true;
    this.about.textContent = `${this.film.name} is not shown, since this browser cannot play it; the endpoint may read it all the same.`;
  }

  follow() {
    if (this.film?.pixels) this.paint(this.film);
    this.slider.value = this.time;
    this.now.textContent = `${this.time.toFixed(2)} s`;
    this.moved(this.time);
  }

  paint({ pixels: { data, frames, height, width }, rate }) {
    const frame = Math.min(frames - 1, Math.floor(this.time * rate + 1e-6));
    const image = new ImageData(width, height);
    for (let pixel = 0, from = frame * width * height; pixel < width * height; pixel++, from++) {
      image.data.fill(data[from], 4 * pixel, 4 * pixel + 3);
      image.data[4 * pixel + 3] = 255;
    }
    this.canvas.getContext("2d").putImageData(image, 0, 0);
  }

  face() {
    this.play.textContent = this.running ? "❚❚" : "▶";
    this.play.setAttribute("aria-label", this.running ? "Pause" : "Play");
  }
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
