// One picture in its place: a canvas of which only those pixels are computed that show the picture, and only when something changed.
// A new window costs one look into a table a pixel; what lies where is sampled again only when it moved.
import { bounded, carried, covered, fitted, matrix, panned, toPicture, zoomed } from "./geometry.js";
import { greyOf } from "./pixels.js";
import { levelFor, sampled } from "./sampling.js";
import { levels, own, words } from "./windows.js";

// More pixels than that are shown at half of the resolution while something moves.
const QUICK = 2_500_000;
const SETTLED_MS = 140;

// A step along one axis, without what rounding leaves on the other.
function snap(step) {
  return Math.abs(step) < 1e-9 ? 0 : step;
}

export class Pane {
  // `changed` is called after each painting, `painted` after the first one of a picture.
  constructor(place, { changed, painted = () => {} }) {
    this.place = place;
    this.changed = changed;
    this.painted = painted;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "canvas";
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    place.append(this.canvas);
    this.picture = null;
    this.inverted = false;
    this.moved = 0;
    this.watcher = new ResizeObserver(() => this.resized());
    this.watcher.observe(place);
  }

  close() {
    this.watcher.disconnect();
    cancelAnimationFrame(this.asked);
    clearTimeout(this.settling);
    this.canvas.remove();
    this.picture = null;
  }

  get pane() {
    return { width: this.place.clientWidth, height: this.place.clientHeight };
  }

  // Whether the picture is just as large as its place allows.
  get isFitted() {
    if (!this.picture) return true;
    return this.view.scale <= fitted(this.picture.size, this.pane, this.view).scale * 1.001;
  }

  // `view`, `window`: what is kept from another picture.
  show(picture, { view, window, inverted = false } = {}) {
    this.view = view ? bounded(view, picture.size, this.pane) : fitted(picture.size, this.pane);
    this.window = window ?? own(picture.facts);
    this.inverted = inverted;
    this.take(picture);
  }

  // More of the same scan: another frame, or more pixels of it. It stays where it is.
  carryOn(picture) {
    this.view = carried(this.view, this.picture.size, picture.size);
    this.take(picture);
  }

  take(picture) {
    this.picture = picture;
    this.key = this.table = null;
    if (!this.isPlain) greyOf(picture);
    this.fresh = true;
    this.paintNow();
  }

  resized() {
    if (!this.picture || !this.place.clientWidth) return;
    const wasFitted = this.wasFitted ?? true;
    this.view = wasFitted
      ? fitted(this.picture.size, this.pane, this.view)
      : bounded(this.view, this.picture.size, this.pane);
    this.paintNow();
  }

  setView(view) {
    this.view = bounded(view, this.picture.size, this.pane);
    this.moved = performance.now();
    this.paint();
  }

  fit() {
    this.setView(fitted(this.picture.size, this.pane, this.view));
  }

  // `at`: a point of the pane; its middle where none is given.
  zoom(factor, at = { x: this.pane.width / 2, y: this.pane.height / 2 }) {
    this.setView(zoomed(this.view, this.picture.size, this.pane, factor, at));
  }

  pan(dx, dy) {
    this.setView(panned(this.view, this.picture.size, this.pane, dx, dy));
  }

  setWindow(window) {
    this.window = window;
    this.recolour();
  }

  setInverted(inverted) {
    this.inverted = inverted;
    this.recolour();
  }

  recolour() {
    this.table = null;
    if (!this.picture) return;
    const had = this.picture.data;
    if (!this.isPlain) greyOf(this.picture);
    if (this.picture.data !== had) this.key = null;
    this.paint();
  }

  at(point) {
    return toPicture(this.view, this.pane, point);
  }

  // The scan's own value at a point of its picture; null where it has 8 bits or the point is beside it.
  valueAt({ x, y }) {
    const { data, width, height, facts } = this.picture;
    const [column, row] = [Math.floor(x), Math.floor(y / facts.aspect)];
    if (!data || column < 0 || row < 0 || column >= width || row >= height) return null;
    return data[row * width + column] * facts.slope + facts.intercept;
  }

  paint() {
    cancelAnimationFrame(this.asked);
    this.asked = requestAnimationFrame(() => this.paintNow());
  }

  paintNow() {
    const { clientWidth, clientHeight } = this.place;
    if (!this.picture || !clientWidth || !clientHeight) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    this.sized(width, height);
    const coarse = this.coarseness(width * height);
    this.placed(ratio / coarse, { width: Math.ceil(width / coarse), height: Math.ceil(height / coarse) });
    this.coloured(coarse);
    this.wasFitted = this.isFitted;
    this.changed(this);
    if (this.fresh) {
      this.fresh = false;
      this.painted(this);
    }
  }

  sized(width, height) {
    if (this.canvas.width === width && this.canvas.height === height) return;
    [this.canvas.width, this.canvas.height, this.key] = [width, height, null];
  }

  // A large screen shows half of its pixels while something moves, and all of them afterwards.
  coarseness(pixels) {
    if (pixels <= QUICK || performance.now() - this.moved >= SETTLED_MS) return 1;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.paint(), SETTLED_MS + 20);
    return 2;
  }

  // What of the picture lies where on the screen: its values, in `values`, for the rectangle `spot`.
  placed(ratio, pane) {
    const { x, y, turn, mirror, scale } = this.view;
    const key = [x, y, turn, mirror, scale, ratio, pane.width, pane.height].join();
    if (key === this.key) return;
    this.key = key;
    const view = { ...this.view, scale: scale * ratio };
    this.spot = covered(view, this.picture.size, pane);
    this.values = this.picture.data ? this.valuesFor(view, pane) : null;
    this.drawn = { view, pane };
  }

  valuesFor(view, pane) {
    const count = this.spot.width * this.spot.height;
    const room = this.values instanceof Uint16Array && this.values.length === count ? this.values : new Uint16Array(count);
    if (!count) return room;
    const level = levelFor(this.picture, view.scale);
    return sampled(level, this.steps(view, pane, 2 ** this.picture.levels.indexOf(level)), room);
  }

  steps(view, pane, down) {
    const { aspect } = this.picture.facts;
    const [left, top] = [this.spot.left, this.spot.top];
    const point = (x, y) => {
      const found = toPicture(view, pane, { x, y });
      return { x: found.x / down, y: found.y / aspect / down };
    };
    const [origin, right, below] = [point(left, top), point(left + 1, top), point(left, top + 1)];
    return {
      width: this.spot.width, height: this.spot.height, origin,
      right: { x: snap(right.x - origin.x), y: snap(right.y - origin.y) },
      down: { x: snap(below.x - origin.x), y: snap(below.y - origin.y) },
    };
  }

  coloured(coarse) {
    const { width, height } = this.spot;
    if (!width || !height) return;
    if (this.picture.data) this.put(this.grey(), coarse);
    else if (this.isPlain) this.draw(coarse);
    else this.put(this.colours(coarse), coarse);
  }

  // Whether the browser's own picture is already what is wanted.
  get isPlain() {
    return !this.inverted && this.window.centre === 127.5 && this.window.width === 255;
  }

  ready() {
    const { width, height } = this.spot;
    if (this.made?.width !== width || this.made?.height !== height) {
      this.made = new ImageData(width, height);
      this.pixels = new Uint32Array(this.made.data.buffer);
    }
    return this.made;
  }

  grey() {
    const made = this.ready();
    this.table ??= words(levels(this.picture.facts, this.window, { inverted: this.inverted }));
    const { pixels, values, table } = this;
    for (let at = 0; at < values.length; at += 1) pixels[at] = table[values[at]];
    return made;
  }

  colours(coarse) {
    if (!this.values) {
      this.draw(coarse, true);
      const { left, top, width, height } = this.spot;
      this.values = this.context.getImageData(left, top, width, height).data;
    }
    const made = this.ready();
    this.table ??= levels(this.picture.facts, this.window, { inverted: this.inverted, count: 256 });
    const { values, table } = this;
    for (let at = 0; at < values.length; at += 4) {
      made.data[at] = table[values[at]];
      made.data[at + 1] = table[values[at + 1]];
      made.data[at + 2] = table[values[at + 2]];
      made.data[at + 3] = values[at + 3];
    }
    return made;
  }

  draw(coarse, isForReading = false) {
    const { view, pane } = this.drawn;
    const { context, canvas, picture } = this;
    this.lastSpot = null;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const larger = isForReading ? 1 : coarse;
    context.setTransform(larger, 0, 0, larger, 0, 0);
    context.transform(...matrix(view, pane));
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = view.scale < 0.5 && larger === 1 ? "high" : "low";
    context.drawImage(picture.image, 0, 0, picture.size.width, picture.size.height);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  put(made, coarse) {
    const { left, top, width, height } = this.spot;
    const { context, canvas } = this;
    const place = [left, top, width, height, coarse].join();
    if (place !== this.lastSpot || this.picture.image) context.clearRect(0, 0, canvas.width, canvas.height);
    this.lastSpot = place;
    context.putImageData(made, left, top);
    if (coarse > 1) {
      context.globalCompositeOperation = "copy";
      context.imageSmoothingEnabled = false;
      context.drawImage(canvas, 0, 0, canvas.width / coarse, canvas.height / coarse, 0, 0, canvas.width, canvas.height);
      context.globalCompositeOperation = "source-over";
    }
  }
}
