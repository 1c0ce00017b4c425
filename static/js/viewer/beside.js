// What a scan is compared with: a strip of the exam's other views and the patient's earlier scans, and one of them next to it.
import { Pane } from "./pane.js";
import { Pointer } from "./pointer.js";
import { firstPicture } from "./looks.js";

export class Beside {
  constructor(strip, room) {
    Object.assign(this, { strip, room, pane: null });
    strip.addEventListener("click", (event) => this.chosen(event));
  }

  get isOpen() {
    return !this.strip.hidden;
  }

  async toggle() {
    if (this.isOpen) {
      this.strip.hidden = true;
      this.close();
      return;
    }
    this.strip.hidden = false;
    if (this.strip.childElementCount) return;
    try {
      const answer = await fetch(this.room.look.beside, { headers: { "HX-Request": "true" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      this.strip.replaceChildren(...page.body.childNodes);
    } catch {
      this.strip.hidden = true;
      this.room.fault("lost");
    }
  }

  chosen(event) {
    const link = event.target.closest("[data-side]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    for (const other of this.strip.querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    this.open(JSON.parse(link.dataset.side), link.href);
  }

  async open(look, address) {
    this.close();
    const place = document.createElement("div");
    place.className = "place";
    place.dataset.place = "";
    place.tabIndex = 0;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", look.code);
    const title = document.createElement("p");
    title.className = "side-title";
    const link = document.createElement("a");
    link.href = address;
    link.textContent = look.code;
    const shut = document.createElement("button");
    shut.type = "button";
    shut.textContent = "×";
    shut.setAttribute("aria-label", this.room.word("close"));
    shut.addEventListener("click", () => this.close());
    title.append(link, shut);
    place.append(title);
    this.place = place;
    this.room.stage.append(place);
    this.pane = new Pane(place, { changed: (pane) => this.room.changed(pane) });
    this.pane.look = look;
    this.pointer = new Pointer(this.pane, this.room);
    try {
      const picture = await firstPicture(look);
      if (this.place === place) this.pane.show(picture);
    } catch (error) {
      this.room.failed(error);
    }
  }

  // Another scan is read: what was found for the one before is of no use.
  forget() {
    this.close();
    this.strip.replaceChildren();
    this.strip.hidden = true;
    this.room.figure.querySelector("[data-do=beside]").setAttribute("aria-pressed", "false");
  }

  close() {
    if (!this.place) return false;
    this.pane.close();
    this.place.remove();
    this.place = this.pane = null;
    this.room.focusOn(this.room.main);
    return true;
  }
}
