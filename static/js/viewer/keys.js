// The keys of the viewer: each presses the button that names it. What the page itself has a key for comes first (js/keys.js), and
// letters that were switched off act only while the picture has the focus.
import { TYPING } from "../typing.js";

const PAN = 60;
const WINDOW = 0.05;
const CURSOR = 10;
const FRAMES = { ",": -1, ".": 1, PageUp: -1, PageDown: 1 };
const REPEATED = new Set(["in", "out"]);
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function isLetter(key) {
  return key.length === 1;
}

// By the page itself.
function isTaken(key) {
  return Boolean(document.querySelector(`[data-key="${CSS.escape(key)}"]`));
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
    if (event.defaultPrevented || this.isElsewhere(event) || this.isSilent(event.key)) return;
    if (["onStage", "preset", "other", "button"].some((way) => this[way](event))) event.preventDefault();
  }

  isElsewhere(event) {
    const isMore = event.metaKey || event.ctrlKey || event.altKey;
    return isMore || event.target.closest?.(TYPING) || document.querySelector("dialog[open]:not(:has([data-viewer]))");
  }

  // Letters that somebody has switched off.
  isSilent(key) {
    return !this.room.figure.isConnected || (isLetter(key) && !this.room.hasLetters && !this.isInside);
  }

  // While the picture itself has the focus.
  onStage(event) {
    const stage = document.activeElement;
    if (!stage?.matches("[data-place]") || !this.isInside) return false;
    if (event.key === "Enter") return this.room.pressHere();
    if (event.key === " ") this.room.space(true);
    else if (event.key in ARROWS) this.arrow(ARROWS[event.key], event.shiftKey);
    else return false;
    return true;
  }

  arrow([x, y], isShifted) {
    if (this.room.isMeasuring) this.room.moveCursor(-x * (isShifted ? 1 : CURSOR), -y * (isShifted ? 1 : CURSOR));
    else if (isShifted) this.room.nudge(-x * WINDOW, y * WINDOW);
    else this.room.pan(x * PAN, y * PAN);
  }

  preset(event) {
    const digit = /^Digit([1-9])$/.exec(event.code);
    return Boolean(digit && event.shiftKey && this.room.choosePreset(Number(digit[1])));
  }

  // What has no button of its own.
  other({ key }) {
    if (key === "Escape") return this.room.putAway();
    if (key in FRAMES && !isTaken(key)) return (isLetter(key) || this.isInside) && this.room.step(FRAMES[key]);
    return false;
  }

  button(event) {
    const key = event.key === "=" ? "+" : event.key.toLowerCase();
    if (isTaken(key) || (key === "home" && !this.isInside)) return false;
    const buttons = [...this.room.figure.querySelectorAll("[data-hotkey]")];
    const button = buttons.find((one) => one.dataset.hotkey.toLowerCase() === key && !one.closest("[hidden]"));
    if (button && (!event.repeat || REPEATED.has(button.dataset.do))) button.click();
    return Boolean(button);
  }
}

function row(keys, words) {
  const line = document.createElement("div");
  const term = document.createElement("dt");
  const text = document.createElement("dd");
  for (const key of keys) {
    const cap = document.createElement("kbd");
    cap.textContent = key;
    term.append(cap);
  }
  text.textContent = words;
  line.append(term, text);
  return line;
}

// The words of a button or of a field, without the key that stands on it.
function said(element) {
  if (element.ariaLabel) return element.ariaLabel;
  const words = (element.closest("label") ?? element.labels?.[0] ?? element).cloneNode(true);
  for (const more of words.querySelectorAll("kbd, textarea, select, .optional")) more.remove();
  return words.textContent.trim().replaceAll(/\s+/g, " ");
}

// What is folded or hidden is not there.
function isThere(element) {
  const folded = element.closest("details:not([open])");
  return !element.closest("[hidden]") && (!folded || element.parentElement === folded);
}

function list(section, rows) {
  const known = section.querySelector("dl") ?? section.appendChild(document.createElement("dl"));
  known.replaceChildren(...rows);
}

// Every key that does something here: those of the page, and those of the viewer.
export function showKeys(figure) {
  const dialog = figure.querySelector("[data-keys-dialog]");
  const ofPage = dialog.querySelector("[data-page-keys]");
  const page = [...document.querySelectorAll("[data-key]")].filter(isThere);
  ofPage.hidden = !page.length;
  list(ofPage, page.map((element) => row([element.dataset.key], said(element))));
  const taken = new Set(page.map((element) => element.dataset.key));
  const own = [...figure.querySelectorAll("[data-hotkey]")].filter((element) => (
    isThere(element) && !taken.has(element.dataset.hotkey)));
  list(dialog.querySelector("[data-viewer-keys]"), own.map((element) => row([element.dataset.hotkey], said(element))));
  dialog.showModal();
}
