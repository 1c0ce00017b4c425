// The frames of a scan of several: a slider, and a film that waits for pictures that have not come yet.
import { isHeld, preload } from "./pixels.js";

const AHEAD = 4;

export class Cine {
  // `show(number)` resolves when that frame is painted; `address(number)`: [address, options] of its picture.
  constructor(bar, look, { show, address, word }) {
    Object.assign(this, { bar, look, showFrame: show, address, word, number: look.frame, playing: null });
    this.slider = bar.querySelector("[data-frame]");
    this.button = bar.querySelector("[data-do=play]");
    this.speed = bar.querySelector("[data-speed]");
    this.slider.max = look.frames;
    this.slider.value = this.number;
    this.over = new AbortController();
    const { signal } = this.over;
    this.slider.addEventListener("input", () => { this.stop(); this.go(Number(this.slider.value)); }, { signal });
    bar.hidden = false;
    this.tell();
  }

  tell() {
    this.slider.value = this.number;
    const said = this.word("frame", { number: this.number, count: this.look.frames });
    this.bar.querySelector("[data-frame-said]").textContent = said;
    this.slider.setAttribute("aria-valuetext", said);
  }

  // The newest wish counts: while a frame is on its way, others are passed over.
  async go(number) {
    this.wanted = Math.min(Math.max(number, 1), this.look.frames);
    if (this.going) return;
    this.going = true;
    try {
      while (this.wanted !== this.number) {
        const next = this.wanted;
        await this.showFrame(next);
        this.number = next;
        this.tell();
      }
    } finally {
      this.going = false;
    }
    this.fetchAhead();
  }

  step(by) {
    this.stop();
    const { frames } = this.look;
    return this.go(((this.number - 1 + by + frames) % frames) + 1);
  }

  fetchAhead() {
    for (let by = 1; by <= AHEAD; by += 1) preload(...this.address(((this.number - 1 + by) % this.look.frames) + 1));
  }

  toggle() {
    if (this.playing) this.stop();
    else this.play();
  }

  play() {
    this.fetchAhead();
    this.playing = { due: performance.now() };
    this.mark();
    const tick = async (now) => {
      const { playing } = this;
      if (!playing || !this.bar.isConnected) return;
      const next = (this.number % this.look.frames) + 1;
      if (now >= playing.due && !this.going && isHeld(this.address(next)[0])) {
        playing.due = Math.max(playing.due + 1000 / Number(this.speed.value), now - 100);
        await this.go(next);
      } else if (now >= playing.due && !this.going) preload(...this.address(next));
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  close() {
    this.stop();
    this.over.abort();
    this.bar.hidden = true;
  }

  stop() {
    this.playing = null;
    this.mark();
  }

  mark() {
    const name = this.word(this.playing ? "pause" : "play");
    this.button.setAttribute("aria-pressed", String(Boolean(this.playing)));
    this.button.setAttribute("aria-label", name);
    const use = this.button.querySelector("use");
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, this.playing ? "#pause" : "#play"));
  }
}
