// The keys of the viewer: each presses the button that names it. What the page itself has a key for comes first (js/keys.js), and
// letters that were switched off act only while the picture has the focus.

const TYPING = "textarea, select, [contenteditable], input:not([type=range], [type=checkbox], [type=radio])";
const PAN = 60;
const WINDOW = 0.05;
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function isLetter(key) {
  return key.length === 1;
}

export class Keys {
  constructor(room) {
    this.room = room;
    this.work = (event) => this.pressed(event);
    this.release = (event) => { if (event.key === " ") room.space(false); };
    document.addEventListener("keydown", this.work);
    document.addEventListener("keyup", this.release);
  }

  close() {
    document.removeEventListener("keydown", this.work);
    document.removeEventListener("keyup", this.release);
  }

  get isInside() {
    return this.room.figure.contains(document.activeElement);
  }

  pressed(event) {
    if (!this.room.figure.isConnected || event.metaKey || event.ctrlKey || event.defaultPrevented) return;
    if (event.target.closest?.(TYPING) || document.querySelector("dialog[open]:not(:has([data-viewer]))")) return;
    if (isLetter(event.key) && !this.room.hasLetters && !this.isInside) return;
    if (this.onStage(event) || this.preset(event) || this.button(event)) event.preventDefault();
  }

  // While the picture itself has the focus.
  onStage(event) {
    const stage = document.activeElement;
    if (!stage?.matches("[data-place]") || !this.room.figure.contains(stage)) return false;
    if (event.key === " ") {
      this.room.space(true);
      return true;
    }
    if (event.key === "Enter") return this.room.pressHere();
    const way = ARROWS[event.key];
    if (!way || event.altKey) return false;
    if (this.room.isMeasuring) this.room.moveCursor(-way[0] * (event.shiftKey ? 1 : 10), -way[1] * (event.shiftKey ? 1 : 10));
    else if (event.shiftKey) this.room.nudge(way[0] * -WINDOW, way[1] * WINDOW);
    else this.room.pan(way[0] * PAN, way[1] * PAN);
    return true;
  }

  preset(event) {
    const digit = /^Digit([1-9])$/.exec(event.code);
    return Boolean(digit && event.shiftKey && !event.altKey && this.room.choosePreset(Number(digit[1])));
  }

  button(event) {
    if (event.altKey) return false;
    const key = isLetter(event.key) ? event.key.toLowerCase() : event.key;
    if (document.querySelector(`[data-key="${CSS.escape(key)}"]`)) return false;
    if (key === "," || key === ".") return this.room.step(key === "," ? -1 : 1);
    if (key === "PageUp" || key === "PageDown") return this.isInside && this.room.step(key === "PageUp" ? -1 : 1);
    if (key === "Escape") return this.room.putAway();
    if (key === "Home" && !this.isInside) return false;
    const button = this.room.figure.querySelector(`[data-hotkey="${CSS.escape(key === "=" ? "+" : key)}"]`);
    if (!button || button.hidden || button.closest("[hidden]")) return false;
    if (event.repeat && !["in", "out"].includes(button.dataset.do)) return true;
    this.room.byKey = true;
    button.click();
    this.room.byKey = false;
    return true;
  }
}

function row(keys, text) {
  const line = document.createElement("div");
  const term = document.createElement("dt");
  const said = document.createElement("dd");
  for (const key of keys) {
    const cap = document.createElement("kbd");
    cap.textContent = key;
    term.append(cap);
  }
  said.textContent = text;
  line.append(term, said);
  return line;
}

function said(element) {
  const label = element.getAttribute("aria-label") ?? element.closest("label")?.textContent ?? element.textContent;
  const keys = [...element.querySelectorAll("kbd")].map((cap) => cap.textContent.trim());
  const words = label.trim().replace(/\s+/g, " ");
  return keys.length && words.startsWith(keys[0]) ? words.slice(keys[0].length).trim() : words.replace(/ \w$/, "");
}

// Every key that does something here: those of the page, and those of the viewer.
export function showKeys(figure) {
  const dialog = figure.querySelector("[data-keys-dialog]");
  const ofPage = dialog.querySelector("[data-page-keys]");
  const page = [...document.querySelectorAll("[data-key]")].filter((element) => !element.closest("[hidden]"));
  ofPage.hidden = !page.length;
  ofPage.querySelector("dl").replaceChildren(...page.map((element) => row([element.dataset.key], said(element))));
  const taken = new Set(page.map((element) => element.dataset.key));
  const own = [...figure.querySelectorAll("[data-hotkey]")].filter((element) => (
    !element.closest("[hidden]") && !taken.has(element.dataset.hotkey)));
  dialog.querySelector("[data-viewer-keys] dl").replaceChildren(
    ...own.map((element) => row([element.dataset.hotkey], said(element))));
  dialog.showModal();
}
