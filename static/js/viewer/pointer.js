// Mouse, pen and fingers on a pane. Left: the chosen tool; right or Ctrl: the window; middle or space: move. The wheel and two
// fingers make it larger, at their place. While the whole picture is seen and no tool was chosen, a finger scrolls the page.
import { dragged } from "./windows.js";

const STEP = 1.2;
const LINE = 16;
const SLIP = 3;

export class Pointer {
  constructor(pane, room) {
    Object.assign(this, { pane, room, fingers: new Map(), held: null, space: false });
    const { place } = pane;
    const on = (name, work) => place.addEventListener(name, work.bind(this), { passive: false });
    on("pointerdown", this.down);
    on("pointermove", this.move);
    on("pointerup", this.up);
    on("pointercancel", this.up);
    on("wheel", this.wheel);
    on("dblclick", this.double);
    on("contextmenu", (event) => { if (this.slipped || this.held) event.preventDefault(); });
    on("pointerleave", () => room.pointed(null, null));
  }

  point(event) {
    const { left, top } = this.pane.place.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  down(event) {
    if (!this.isOnPicture(event)) return;
    const at = this.point(event);
    this.room.focusOn(this.pane);
    if (event.pointerType === "touch") {
      this.fingers.set(event.pointerId, at);
      if (this.fingers.size === 1 && !this.room.grabs(this.pane)) return;
    }
    this.pane.place.setPointerCapture(event.pointerId);
    if (this.fingers.size === 2) this.held = { does: "pinch", last: this.spread() };
    else this.begin(event, at);
  }

  isOnPicture(event) {
    return this.pane.picture && !event.target.closest("button, input, a, select");
  }

  begin(event, at) {
    const does = this.meant(event);
    this.slipped = false;
    this.held = { does, from: at, last: at, window: this.pane.window, range: this.room.range(this.pane) };
    if (does === "ruler" || does === "angle") this.room.measures(this.pane).begin(does, this.pane.at(at));
    if (event.button === 1) event.preventDefault();
  }

  meant(event) {
    if (event.button === 1 || this.space) return "pan";
    if (event.button === 2 || event.ctrlKey) return "window";
    if (event.pointerType === "touch" && !this.room.isToolChosen) return "pan";
    return this.room.tool;
  }

  spread() {
    const [one, other] = [...this.fingers.values()];
    return { middle: { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 }, apart: Math.hypot(one.x - other.x, one.y - other.y) };
  }

  move(event) {
    const at = this.point(event);
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, at);
    if (!this.pane.picture) return;
    if (!this.held) {
      this.room.pointed(this.pane, at);
      return;
    }
    event.preventDefault();
    const { does, last } = this.held;
    if (does === "pinch") {
      const now = this.spread();
      this.pane.pan(now.middle.x - last.middle.x, now.middle.y - last.middle.y);
      if (last.apart > 0) this.pane.zoom(now.apart / last.apart, now.middle);
      this.held.last = now;
      return;
    }
    this.drag(does, at, last);
    this.held.last = at;
  }

  drag(does, at, last) {
    const { from, window, range } = this.held;
    this.slipped ||= Math.hypot(at.x - from.x, at.y - from.y) > SLIP;
    if (does === "pan") this.pane.pan(at.x - last.x, at.y - last.y);
    else if (does === "window") this.room.setWindow(this.pane, dragged(window, range, at.x - from.x, at.y - from.y, this.pane.pane));
    else this.room.measures(this.pane).drag(this.pane.at(at));
  }

  up(event) {
    this.fingers.delete(event.pointerId);
    if (!this.held) return;
    const { does } = this.held;
    this.held = null;
    if (does === "ruler" || does === "angle") this.room.measures(this.pane).end();
    this.room.touched(this.pane);
  }

  wheel(event) {
    if (!this.isOnPicture(event)) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? event.deltaY : event.deltaY / LINE;
    if (event.altKey) this.room.step(Math.sign(event.deltaY));
    else this.pane.zoom(STEP ** Math.max(-3, Math.min(3, -lines / 4)), this.point(event));
    this.room.touched(this.pane);
  }

  double(event) {
    if (!this.isOnPicture(event)) return;
    this.pane.fit();
    this.room.touched(this.pane);
  }
}
