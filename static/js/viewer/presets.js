// The list of windows: of the scan, of its modality, and those that somebody keeps.
import { call } from "../request.js";
import { USUAL, between, own } from "./windows.js";

const PREFERENCES = "/api/v1/users/me/preferences/";

export class Presets {
  constructor(bar, room) {
    Object.assign(this, { bar, room, list: bar.querySelector("[data-window-choice]") });
    this.mine = JSON.parse(room.figure.dataset.windows);
    const shut = room.figure.querySelector("[data-close]");
    shut.addEventListener("click", () => shut.closest("dialog").close());
    this.list.addEventListener("change", () => this.choose(this.list.value));
  }

  // What the file itself asks for is known only when its picture is there.
  show(picture) {
    this.bar.hidden = false;
    for (const group of this.list.querySelectorAll("[data-of-modality]")) {
      group.hidden = group.dataset.ofModality !== this.room.look.modality || !picture.data;
    }
    const group = this.list.querySelector("[data-of-scan]");
    for (const option of group.querySelectorAll("[data-of-file]")) option.remove();
    const { windows } = picture.facts;
    // A single one without a name is how the page shows it.
    (windows.length > 1 || windows[0]?.name ? windows : []).forEach((window, at) => {
      const option = new Option(window.name || `${window.centre} / ${window.width}`, `file ${at}`);
      option.dataset.ofFile = "";
      group.append(option);
    });
    for (const value of ["middle", "whole"]) group.querySelector(`[value=${value}]`).hidden = !picture.data;
    this.showMine();
  }

  showMine() {
    const group = this.list.querySelector("[data-mine]");
    const fits = (window) => !window.modality || window.modality === this.room.look.modality;
    group.replaceChildren(...this.mine.flatMap((window, at) => (fits(window) ? [new Option(window.name, `mine ${at}`)] : [])));
    group.hidden = !group.children.length;
  }

  named(value, picture) {
    const [kind, which] = value.split(" ");
    if (kind === "own") return own(picture.facts);
    if (kind === "middle") return between(picture, 0.01, 0.99);
    if (kind === "whole") return between(picture, 0, 1);
    if (kind === "file") return picture.facts.windows[which];
    if (kind === "mine") return this.mine[which];
    return USUAL[kind]?.find(({ name }) => name === which);
  }

  choose(value) {
    const { pane } = this.room;
    const window = pane.picture && value ? this.named(value, pane.picture) : null;
    if (!window) return false;
    this.room.setWindow(pane, { centre: window.centre, width: window.width }, value);
    this.room.touched(pane);
    return true;
  }

  at(number) {
    const values = [...this.list.options].filter((option) => option.value && !option.hidden && !option.parentElement.hidden).map((option) => option.value);
    return number <= values.length && this.choose(values[number - 1]);
  }

  tell(value) {
    this.list.value = value;
  }

  ask() {
    const dialog = this.room.figure.querySelector("[data-keep-dialog]");
    const name = dialog.querySelector("[data-keep-name]");
    name.value = "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "keep" && name.value.trim()) this.keep(name.value.trim());
    }, { once: true });
    dialog.showModal();
  }

  async keep(name) {
    const { window } = this.room.pane;
    const row = { name, centre: window.centre, width: window.width, modality: this.room.look.modality.slice(0, 16) };
    const rows = [...this.mine.filter((known) => known.name !== name), row];
    const headers = { "Content-Type": "application/json" };
    try {
      const { token } = this.room.figure.dataset;
      const { data } = await call("PATCH", PREFERENCES, { token, headers, body: JSON.stringify({ window_presets: rows }) });
      this.mine = data.window_presets;
      this.showMine();
      this.tell(`mine ${this.mine.length - 1}`);
    } catch (error) {
      this.room.fault("not-kept", { why: error.message });
    }
  }
}
