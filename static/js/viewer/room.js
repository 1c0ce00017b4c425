// The viewer of one page: its panes, its tools, and what is kept from scan to scan.
import { Beside } from "./beside.js";
import { Cine } from "./cine.js";
import { Measures } from "./drawing.js";
import { fitted, straight } from "./geometry.js";
import { Heat } from "./heat.js";
import { Keys } from "./keys.js";
import { addressOf, firstPicture, wholeOf } from "./looks.js";
import { asKept, remember, remembered, viewOf, windowOf } from "./memory.js";
import { Pane } from "./pane.js";
import { NotShown, load } from "./pixels.js";
import { Pointer } from "./pointer.js";
import { Presets } from "./presets.js";
import { between } from "./windows.js";
import { Words } from "./words.js";
import { bind } from "./rail.js";

const DEFAULT_TOOL = "window";

export class Room {
  constructor(figure) {
    this.figure = figure;
    this.stage = figure.querySelector("[data-stage]");
    this.layers = figure.querySelector("[data-picture]");
    this.hasLetters = figure.dataset.letters !== "off";
    this.words = new Words(figure);
    this.look = JSON.parse(figure.dataset.viewer);
    const place = document.createElement("div");
    place.className = "place";
    place.dataset.place = "";
    place.tabIndex = 0;
    place.setAttribute("role", "img");
    this.stage.append(place);
    this.main = this.pane = new Pane(place, { changed: (pane) => this.changed(pane), painted: () => this.painted() });
    this.pointer = new Pointer(this.main, this);
    this.presets = new Presets(figure.querySelector("[data-window-bar]"), this);
    this.beside = new Beside(figure.querySelector("[data-strip]"), this);
    this.heat = new Heat(figure, this.main);
    this.keys = new Keys(this);
    bind(this);
    this.start(this.layers.querySelector("[data-shown]"));
  }

  close() {
    this.cine?.close();
    this.keys.close();
    this.beside.close();
    this.main.close();
  }

  word(name, values) {
    return this.words.say(name, values);
  }

  // Another scan in the same place.
  show(look) {
    this.look = look;
    this.figure.dataset.viewer = JSON.stringify(look);
    this.figure.setAttribute("aria-label", this.word("viewer", { code: look.code }));
    this.figure.querySelector("[data-fault]").hidden = true;
    this.beside.forget();
    this.measures(this.main).putAway();
    this.measures(this.main).clear();
    this.cine?.close();
    this.cine = null;
    this.start(null);
  }

  async start(image) {
    const { look } = this;
    this.kept = remembered(look);
    this.hasWindow = Boolean(this.kept.window);
    this.isWhole = false;
    this.main.place.setAttribute("aria-label", image?.alt || this.word("scan", { code: look.code }));
    this.figure.querySelector("[data-do=beside]").hidden = !look.beside;
    this.choose(DEFAULT_TOOL, false);
    try {
      const picture = await firstPicture(look, image);
      if (look === this.look && this.figure.isConnected) this.arrived(picture);
    } catch (error) {
      if (look === this.look) this.failed(error);
    }
    if (look.frames > 1) this.film();
  }

  arrived(picture) {
    const { kept, look, main } = this;
    main.look = look;
    this.layers.hidden = true;
    this.figure.querySelector("[data-rail]").hidden = false;
    if (picture.facts.kind === "rgb8") this.choose("pan", false);
    const window = windowOf(kept, picture, look);
    main.show(picture, { view: viewOf(kept, picture, main.pane), window, inverted: Boolean(kept.inverted) });
    this.presets.show(picture);
    this.presets.tell(window ? "" : "own");
    this.tell(main);
  }

  painted() {
    this.figure.dataset.painted = this.look.scan;
    this.figure.dispatchEvent(new CustomEvent("viewer:painted", { bubbles: true, detail: this.look }));
  }

  failed(error) {
    this.fault(error instanceof NotShown ? "gone" : "lost");
  }

  fault(name, values) {
    const place = this.figure.querySelector("[data-fault]");
    place.textContent = this.word(name, values);
    place.hidden = false;
  }

  film() {
    const bar = this.figure.querySelector("[data-frame-bar]");
    const { look } = this;
    this.cine = new Cine(bar, look, {
      address: (number) => addressOf(look, number),
      word: (name, values) => this.word(name, values),
      show: async (number) => {
        try {
          const picture = await load(...addressOf(look, number));
          if (look === this.look) this.main.carryOn(picture);
        } catch (error) {
          this.failed(error);
        }
      },
    });
  }

  step(by) {
    if (!this.cine) return false;
    this.cine.step(by);
    return true;
  }

  // What pages show at 2,048 pixels is looked at closely: then every pixel is fetched.
  async whole() {
    if (this.isWhole || this.look.deep) return;
    this.isWhole = true;
    const { look, cine } = this;
    const frame = cine?.number;
    try {
      const picture = await wholeOf(look, frame);
      if (look === this.look && frame === cine?.number) this.main.carryOn(picture);
      this.measures(this.main).draw();
    } catch (error) {
      this.failed(error);
    }
  }

  get wantsWhole() {
    const { picture, view } = this.main;
    const ratio = window.devicePixelRatio || 1;
    return this.look.large && !this.look.deep && picture.facts.kind === "shown" && view.scale * ratio > 1.01;
  }

  // After each painting.
  changed(pane) {
    pane.place.classList.toggle("grabs", this.grabs(pane));
    pane.measures?.draw();
    if (pane === this.main) this.heat.follow(pane, this.cine?.wanted);
    if (pane === this.pane) this.tell(pane);
    if (pane === this.main && this.wantsWhole) this.whole();
  }

  tell(pane, value = null) {
    this.words.tell(pane, { value, tool: this.tool });
  }

  pointed(pane, at) {
    if (pane) this.tell(pane, pane.valueAt(pane.at(at)));
    else if (this.pane.picture) this.tell(this.pane);
  }

  grabs(pane) {
    return !pane.isFitted || this.isToolChosen;
  }

  measures(pane) {
    pane.measures ??= new Measures(pane, (found) => this.words.measured(found));
    return pane.measures;
  }

  range(pane) {
    const { picture } = pane;
    picture.range ??= picture.data ? between(picture, 0.005, 0.995).width : 255;
    return picture.range;
  }

  focusOn(pane) {
    if (this.pane === pane) return;
    this.pane = pane;
    for (const place of this.stage.querySelectorAll("[data-place]")) place.classList.toggle("active", place === pane.place);
    if (pane.picture) this.tell(pane);
  }

  choose(tool, isChosen = true) {
    this.tool = tool;
    this.isToolChosen = isChosen;
    if ((tool === "ruler" || tool === "angle") && this.look.dicom && !this.look.deep) this.whole();
    for (const name of ["window", "pan", "ruler", "angle"]) {
      this.figure.querySelector(`[data-do=${name}]`).setAttribute("aria-pressed", String(name === tool));
    }
    this.stage.dataset.tool = tool;
    if (this.pane.picture) this.changed(this.pane);
  }

  get isMeasuring() {
    return this.tool === "ruler" || this.tool === "angle";
  }

  moveCursor(dx, dy) {
    this.measures(this.pane).move(dx, dy);
  }

  pressHere() {
    if (!this.isMeasuring) return false;
    this.measures(this.pane).press(this.tool);
    this.touched(this.pane);
    return true;
  }

  putAway() {
    if (this.isToolChosen) {
      this.pane.measures?.putAway();
      this.choose(DEFAULT_TOOL, false);
      return true;
    }
    return this.beside.close();
  }

  setWindow(pane, window, name = "") {
    pane.setWindow(window);
    if (pane === this.main) this.hasWindow = name !== "own";
    this.presets.tell(name);
    this.compareIn(window, pane === this.main ? this.beside.pane : this.main);
  }

  // Two scans whose values mean the same are compared in one window.
  compareIn(window, other) {
    if (other?.picture && other.look.modality === "CT" && this.look.modality === "CT") other.setWindow(window);
  }

  choosePreset(number) {
    return Boolean(this.pane.picture) && this.presets.at(number);
  }

  nudge(width, centre) {
    const { pane } = this;
    if (!pane.picture) return;
    const range = this.range(pane);
    const now = pane.window;
    this.setWindow(pane, { width: Math.max(now.width + width * range, range / 4096), centre: now.centre + centre * range });
    this.touched(pane);
  }

  pan(dx, dy) {
    if (this.pane.picture) this.pane.pan(dx, dy);
    this.touched(this.pane);
  }

  space(isHeld) {
    this.pointer.space = isHeld;
  }

  turn(changes) {
    const { pane } = this;
    const { view } = pane;
    pane.setView(fitted(pane.picture.size, pane.pane, { turn: view.turn, mirror: view.mirror, ...changes }));
  }

  reset() {
    const { pane } = this;
    this.measures(pane).clear();
    pane.setView(fitted(pane.picture.size, pane.pane, straight));
    pane.setInverted(false);
    this.presets.choose("own");
    this.touched(pane);
  }

  // Something was chosen that the next scan is shown with.
  touched(pane) {
    this.figure.querySelector("[data-do=erase]").hidden = !(this.pane.measures?.count > 0);
    if (pane === this.main && pane.picture) remember(this.look, asKept(pane, this.look, this.hasWindow));
  }
}
