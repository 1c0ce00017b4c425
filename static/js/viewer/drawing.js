// Rulers and angles over a picture: lines of an SVG that follow it, and what they measure.
import { toScreen } from "./geometry.js";
import { angle, length } from "./measure.js";

const SVG = "http://www.w3.org/2000/svg";
const NEEDED = { ruler: 2, angle: 3 };
const SHORT = 4;

function made(name, values, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(values)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

export class Measures {
  constructor(pane, say) {
    this.pane = pane;
    this.say = say;
    this.rows = [];
    this.open = null;
    this.svg = made("svg", { class: "measures", "aria-hidden": "true" });
    pane.place.append(this.svg);
  }

  get count() {
    return this.rows.length;
  }

  // An angle goes on where its first arm ended.
  begin(kind, point) {
    if (this.open?.kind === kind && this.open.points.length < NEEDED[kind]) this.open.points.push(point);
    else {
      this.open = { kind, points: [point, point] };
      this.rows.push(this.open);
    }
    this.draw();
  }

  drag(point) {
    if (!this.open) return;
    this.open.points[this.open.points.length - 1] = point;
    this.draw();
  }

  end() {
    const { open } = this;
    if (!open) return;
    const [from, to] = open.points.slice(-2).map((point) => toScreen(this.pane.view, this.pane.pane, point));
    if (Math.hypot(to.x - from.x, to.y - from.y) < SHORT) this.rows = this.rows.filter((row) => row !== open);
    else if (open.points.length < NEEDED[open.kind]) return;
    this.open = null;
    this.draw();
  }

  clear() {
    this.rows = [];
    this.open = null;
    this.draw();
  }

  // For who uses no pointer: a cross that the arrows move, and Enter for where a line begins and ends.
  move(dx, dy) {
    const { width, height } = this.pane.pane;
    const { x, y } = this.cursor ?? { x: width / 2, y: height / 2 };
    this.cursor = { x: Math.min(Math.max(x + dx, 0), width), y: Math.min(Math.max(y + dy, 0), height) };
    this.drag(this.pane.at(this.cursor));
    this.draw();
  }

  press(kind) {
    this.move(0, 0);
    if (!this.open) this.begin(kind, this.pane.at(this.cursor));
    else {
      this.end();
      if (this.open) this.begin(kind, this.pane.at(this.cursor));
    }
    this.draw();
  }

  putAway() {
    this.cursor = null;
    this.open = null;
    this.rows = this.rows.filter(({ kind, points }) => points.length >= NEEDED[kind]);
    this.draw();
  }

  draw() {
    const nodes = this.rows.flatMap((row) => this.row(row));
    if (this.cursor) {
      const { x, y } = this.cursor;
      nodes.push(made("path", { d: `M${x - 9} ${y}h18M${x} ${y - 9}v18`, class: "cursor" }));
    }
    this.svg.replaceChildren(...nodes);
  }

  row({ kind, points }) {
    const places = points.map((point) => toScreen(this.pane.view, this.pane.pane, point));
    const line = { points: places.map(({ x, y }) => `${x},${y}`).join(" ") };
    const last = places.at(-1);
    const found = kind === "ruler" ? length(this.pane.picture, points) : points.length > 2 && angle(this.pane.picture, points);
    const nodes = [made("polyline", { ...line, class: "under" }), made("polyline", line)];
    for (const { x, y } of places) nodes.push(made("circle", { cx: x, cy: y, r: 3.5 }));
    if (found) nodes.push(made("text", { x: last.x + 8, y: last.y - 8 }, this.say(found)));
    return nodes;
  }
}
