// A desk: the next scan is painted at once from what was fetched ahead, while the answer about the last one is on its way. An
// answer that could not be sent is kept until it is saved, or until it is said why it cannot be.
import { Card } from "./desk/cards.js";
import { watchFields } from "./desk/fields.js";
import { watchGuide } from "./desk/guide.js";
import { Line } from "./desk/line.js";
import { tellOver } from "./desk/notices.js";
import { Outbox } from "./desk/outbox.js";
import { say } from "./said.js";

// A key that is pressed when the scan has just changed was meant for the one before.
const MEANT_MS = 150;
// What needs no look at the picture, or is about one that cannot be shown.
const BLINDLY = new Set(["undo", "skip", "ungradable"]);
// The server hands a scan out for ten minutes.
const FRESH_MS = 540_000;

class Desk {
  constructor(root) {
    this.root = root;
    this.place = root.querySelector("#desk");
    this.busy = false;
    this.order = [];
    this.cards = new Map();
    this.line = new Line(root);
    this.outbox = new Outbox(this.line, { answered: (...what) => this.answered(...what), name: root.dataset.address });
    root.addEventListener("submit", (event) => this.submitted(event));
    root.addEventListener("viewer:painted", ({ detail }) => {
      if (this.current && String(detail.scan) === this.current.id) this.current.seenAt ??= performance.now();
    });
    root.addEventListener("click", (event) => this.clicked(event));
    window.addEventListener("pageshow", (event) => event.persisted && location.reload());
    window.addEventListener("online", () => this.again());
    window.addEventListener("beforeunload", (event) => this.outbox.size && event.preventDefault());
    this.read(this.place);
    this.current = this.order.length ? this.cards.get(this.order[0]) : this.back ?? null;
    if (this.current) this.seen(this.current);
    if (this.outbox.size) this.alone(() => this.forward());
  }

  get form() {
    return this.place.querySelector("[data-decide]");
  }

  // What a page, or an answer, says: its scans in their order, and all that is not about one scan.
  read(page) {
    const found = [...page.querySelectorAll("[data-scan]")].map((source) => this.known(source));
    this.back = found.find((card) => card.back) ?? null;
    if (!this.back) {
      this.order = found.map((card) => card.id);
      this.forget();
      this.empty = found.length ? null : page.querySelector(".empty");
    }
    this.count(page.querySelector("[data-left]"));
    this.copy(page, "[data-undo]", ["value", "hidden"]);
    this.copy(page, "[data-earlier]", ["href", "hidden"]);
  }

  // Scans that are neither shown nor on their way, and that somebody else may have by now.
  forget() {
    const wanted = new Set([...this.order, this.current?.id]);
    for (const id of this.cards.keys()) {
      if (!wanted.has(id) && !this.outbox.holds(id)) this.cards.delete(id);
    }
  }

  count(left) {
    if (!left) return;
    const words = [...left.childNodes].map((node) => document.importNode(node, true));
    if (this.back) this.back.left = words;
    else this.left = words;
  }

  known(source) {
    const old = this.cards.get(source.dataset.scan);
    if (old && old.version === source.dataset.version && !("back" in source.dataset)) {
      old.came = Date.now();
      old.preload();
      return old;
    }
    const card = new Card(source);
    if (!card.back) this.cards.set(card.id, card);
    return card;
  }

  copy(page, selector, names) {
    const [from, to] = [page.querySelector(selector), this.place.querySelector(selector)];
    if (!from || !to || from === to) return;
    for (const name of names) {
      if (from.hasAttribute(name)) to.setAttribute(name, from.getAttribute(name));
      else to.removeAttribute(name);
    }
  }

  async submitted(event) {
    if (!event.target.matches("[data-decide]")) return;
    event.preventDefault();
    const button = event.submitter;
    if (!button || button.name === "nothing" || this.busy) return;
    if (!BLINDLY.has(button.name) && !this.looked()) say(this.root.dataset.looking);
    else await this.alone(() => (button.name === "undo" ? this.undo(button) : this.decide(button)));
  }

  // One thing after the other: what is pressed meanwhile is not kept for later.
  async alone(what) {
    this.busy = true;
    this.place.ariaBusy = "true";
    try {
      await what();
    } finally {
      this.busy = false;
      this.place.ariaBusy = "false";
    }
  }

  // Whether the picture has been there for long enough to be meant.
  looked() {
    return this.current?.seenAt !== undefined && performance.now() - this.current.seenAt >= MEANT_MS;
  }

  async decide(button) {
    const fields = [...new FormData(this.form, button)].filter(([name]) => name !== "csrfmiddlewaretoken");
    await this.outbox.room();
    this.outbox.put({ scan: this.current.id, fields, card: this.current });
    await this.forward();
  }

  async forward() {
    let card = this.upcoming();
    while (!card && this.outbox.size) {
      await this.outbox.progress();
      card = this.upcoming();
    }
    if (card) this.show(card);
    else await this.refill();
  }

  upcoming() {
    const fresh = (card) => card && !this.outbox.holds(card.id) && Date.now() - card.came < FRESH_MS;
    return this.order.map((id) => this.cards.get(id)).find(fresh) ?? null;
  }

  // Nothing is ready: what the last answer said about that, or what the server says now.
  async refill() {
    if (!this.empty) this.read(await this.line.ask());
    const card = this.upcoming();
    if (card) this.show(card);
    else if (this.empty) this.end();
  }

  end() {
    this.current = null;
    this.place.replaceChildren(document.importNode(this.empty, true));
    this.place.querySelector("button:not([hidden]), a")?.focus();
  }

  show(card) {
    if (!this.place.querySelector(".workspace")) {
      location.reload();
      return;
    }
    this.current = card;
    card.seenAt = undefined;
    card.fill(this.place);
    const left = card.back ? card.left : this.left;
    if (left) this.place.querySelector("[data-left]").replaceChildren(...left.map((node) => node.cloneNode(true)));
    const on = this.place.querySelector("[data-on]");
    if (on) on.hidden = !card.back;
    this.reset();
  }

  // The fields are empty again, and what had the focus keeps it.
  reset() {
    const form = this.form;
    form.reset();
    for (const box of form.querySelectorAll("[data-reasons][open]")) {
      if (box.contains(document.activeElement)) box.querySelector("summary").focus();
      box.open = false;
    }
    form.dispatchEvent(new CustomEvent("desk:fresh"));
    const now = form.querySelector("[data-current]")?.dataset.current;
    for (const button of form.querySelectorAll("[data-classes] button")) {
      button.classList.toggle("current", button.value === now);
      button.disabled = button.name === "modified" && button.value === now;
    }
  }

  // From when on the picture is there: the viewer says when it is painted.
  seen(card) {
    card.seenAt = this.place.querySelector("[data-viewer]")?.dataset.painted === card.id ? performance.now() : undefined;
  }

  // An answer came about something that was sent: said in words, and what it brought is ready.
  answered(page, entry) {
    this.cards.delete(entry.scan);
    this.read(page);
    this.tell(page);
    this.again();
  }

  // The connection is back: a picture that did not come is asked for once more.
  again() {
    if (this.current && this.current.seenAt === undefined) this.current.fill(this.place);
  }

  tell(page) {
    const words = [...(page.querySelector("[data-news]")?.children ?? [])];
    tellOver(this.root.querySelector("[data-saved]"), words.map((node) => document.importNode(node, true)));
    say(words.map((node) => node.textContent).join(" "));
  }

  async undo(button) {
    const kept = this.outbox.pull();
    if (kept) {
      this.show(kept.card);
      return;
    }
    await this.outbox.emptied();
    const page = await this.outbox.through([["undo", this.place.querySelector("[data-undo]")?.value ?? button.value]]);
    this.read(page);
    this.tell(page);
    const first = this.back ?? this.cards.get(this.order[0]);
    if (first && first !== this.current) this.show(first);
  }

  async clicked(event) {
    const link = event.target.closest("[data-earlier], [data-on]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !this.current) return;
    event.preventDefault();
    if (!this.busy) await this.alone(() => (link.matches("[data-on]") ? this.forward() : this.goBack(link.href)));
  }

  async goBack(address) {
    await this.outbox.emptied();
    // What was just labelled is met first.
    const link = this.place.querySelector("[data-earlier]");
    this.read(await this.line.ask(link && !link.hidden ? link.href : address));
    if (this.back) this.show(this.back);
  }
}

for (const root of document.querySelectorAll("[data-desk]")) {
  watchFields(root);
  watchGuide(root);
  // eslint-disable-next-line no-new
  new Desk(root);
}
