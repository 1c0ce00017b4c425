// Choosing many scans: click, shift-click for all between, arrow keys and space, a button for all. Ticks are the form's own.

const STEPS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);

// The class that a typed text means: its name, or the only one that begins so.
export function named(text) {
  const names = [...document.querySelectorAll("[data-class]")].map((button) => button.dataset.class);
  const fits = text ? names.filter((name) => name.toLowerCase().startsWith(text)) : [];
  return fits.find((name) => name.toLowerCase() === text) ?? (fits.length === 1 ? fits[0] : null);
}

export class Picker {
  // `root`: holds the ticks, which may come and go. `changed` gets what is chosen, now and whenever it changes.
  constructor(root, { changed = () => {} } = {}) {
    this.root = root;
    this.changed = changed;
    this.anchor = null;
    root.addEventListener("click", (event) => this.#click(event));
    root.addEventListener("keydown", (event) => this.#key(event));
    root.addEventListener("focusin", (event) => this.#rove(event.target.closest("input[type=checkbox]")));
    this.refresh();
  }

  get boxes() {
    return [...this.root.querySelectorAll("input[type=checkbox][name=images]")];
  }

  get chosen() {
    return this.boxes.filter((box) => box.checked);
  }

  // One stop for the Tab key; arrow keys go on from there.
  refresh() {
    const { boxes } = this;
    const stop = boxes.find((box) => box.tabIndex === 0 && box === document.activeElement) ?? boxes[0];
    this.#rove(stop);
    this.tell();
  }

  tell() {
    this.changed(this.chosen);
  }

  all(checked) {
    for (const box of this.boxes) box.checked = checked;
    this.tell();
  }

  toggle(box, through = false) {
    box.checked = !box.checked;
    this.#settle(box, through);
  }

  #settle(box, through) {
    const { boxes } = this;
    const [from, to] = [boxes.indexOf(this.anchor), boxes.indexOf(box)];
    if (through && from >= 0) {
      for (const between of boxes.slice(Math.min(from, to), Math.max(from, to) + 1)) between.checked = box.checked;
    }
    this.anchor = box;
    this.tell();
  }

  #rove(stop) {
    if (!stop) return;
    for (const box of this.boxes) box.tabIndex = box === stop ? 0 : -1;
  }

  #click(event) {
    const label = event.target.closest("label");
    const box = label?.querySelector("input[name=images]") ?? event.target.closest("input[name=images]");
    if (!box) return;
    if (event.target === box) {
      this.#settle(box, event.shiftKey);
    } else {
      // Not every browser ticks by shift-click on a label.
      event.preventDefault();
      box.focus({ preventScroll: true });
      this.toggle(box, event.shiftKey);
    }
  }

  #key(event) {
    const box = event.target.closest("input[name=images]");
    if (!box || event.ctrlKey || event.metaKey || event.altKey) return;
    // Enter would send the form with none of its decisions.
    if (event.key === "Enter") event.preventDefault();
    if (STEPS.has(event.key)) this.#move(event, box);
  }

  #move(event, box) {
    event.preventDefault();
    const next = this.#beside(box, event.key);
    next?.focus();
    if (next && event.shiftKey) {
      next.checked = box.checked = true;
      this.#settle(next, false);
    }
  }

  #beside(box, key) {
    const { boxes } = this;
    const at = boxes.indexOf(box);
    if (key === "Home") return boxes[0];
    if (key === "End") return boxes.at(-1);
    const side = { ArrowLeft: -1, ArrowRight: 1 }[key];
    const turned = getComputedStyle(this.root).direction === "rtl" ? -1 : 1;
    if (side) return boxes[at + side * turned];
    const { columns } = this;
    if (key === "ArrowUp") return boxes[at - columns];
    // Below the end of a row that is not full is the last scan.
    return boxes[at + columns] ?? (Math.floor(at / columns) < Math.floor((boxes.length - 1) / columns) ? boxes.at(-1) : null);
  }

  get columns() {
    const tops = this.boxes.map((box) => box.getBoundingClientRect().top);
    return Math.max(1, tops.findIndex((top) => top > tops[0] + 8) < 0 ? tops.length : tops.findIndex((top) => top > tops[0] + 8));
  }
}
