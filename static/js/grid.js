// Labelling in a grid: what is chosen gets its class by one key, the tiles go at once, and the answers come when they come.
import { look } from "./look.js";
import { Outbox } from "./outbox.js";
import { Picker, named } from "./picking.js";
import { whileHere } from "./presence.js";
import { call } from "./request.js";
import { Told, refusals } from "./told.js";
import { TYPING } from "./typing.js";

const RENEW_MS = 240_000;
const form = document.querySelector("[data-grid]");

class Grid {
  constructor() {
    this.list = form.querySelector("[data-tiles]");
    this.told = new Told(form, document.querySelector("[data-told]"));
    this.token = form.querySelector("[name=csrfmiddlewaretoken]").value;
    this.letters = form.dataset.letters === "on";
    // The tiles that were labelled, by batch: what undo brings back.
    this.done = [];
    this.tiles = new Map();
    // What comes after this page, loaded ahead.
    this.next = [];
    this.picker = new Picker(this.list, { changed: (chosen) => this.count(chosen) });
    const name = `grid:${form.dataset.user}:${form.dataset.project}`;
    this.outbox = new Outbox(name, (item) => this.post(form.dataset.bulk, item.body, item.id), {
      done: (item, data) => this.saved(item, data),
      refused: (item, error) => this.refused(item, error.message),
      waiting: (number) => (number ? this.told.say("waiting", "warning", { n: this.held() }) : this.told.say()),
      out: () => this.told.say("out", "error", { n: this.held() }),
    });
    for (const item of this.outbox.items) this.take(item.images);
    this.outbox.run();
    this.listen();
    this.picker.boxes[0]?.focus({ preventScroll: true });
  }

  listen() {
    form.addEventListener("submit", (event) => this.submit(event));
    document.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["focus", "online"]) window.addEventListener(name, () => this.back());
    window.addEventListener("beforeunload", (event) => {
      if (this.outbox.items.length) event.preventDefault();
    });
    window.addEventListener("pagehide", () => this.leave());
    // Leaving gave the scans back.
    window.addEventListener("pageshow", (event) => event.persisted && location.reload());
    const renew = whileHere(() => this.more());
    setInterval(renew, RENEW_MS);
    form.querySelector("[data-pick-all]").hidden = false;
    form.querySelector("[data-pick-all]").addEventListener("click", () => this.all());
    form.querySelector("[data-undo]").removeAttribute("name");
    const find = form.querySelector("[data-find]");
    if (find) {
      find.hidden = false;
      find.querySelector("input").addEventListener("keydown", (event) => this.typed(event));
    }
  }

  held() {
    return this.outbox.items.reduce((sum, item) => sum + item.images.length, 0);
  }

  count(chosen) {
    form.querySelector("[data-pick-count]").textContent = String(chosen.length);
  }

  all() {
    this.picker.all(this.picker.boxes.some((box) => !box.checked));
  }

  key(event) {
    const held = event.ctrlKey || event.metaKey || event.altKey || event.repeat;
    if (held || !this.letters || event.target.closest(TYPING)) return;
    const act = this.acts(event.key.toLowerCase());
    if (!act) return;
    event.preventDefault();
    act();
  }

  acts(key) {
    const button = form.querySelector(`[data-class-key="${CSS.escape(key)}"]`);
    const find = form.querySelector("[data-find] input");
    if (button) return () => this.label({ label: button.dataset.class });
    return { a: () => this.all(), z: () => this.undo(), "/": find && (() => find.focus()) }[key];
  }

  typed(event) {
    if (event.key === "Escape") {
      event.target.value = "";
      this.picker.boxes[0]?.focus();
    }
    if (event.key !== "Enter") return;
    event.preventDefault();
    const found = named(event.target.value.trim().toLowerCase());
    if (!found) return this.told.say("class", "error");
    event.target.value = "";
    this.label({ label: found });
  }

  submit(event) {
    event.preventDefault();
    const pressed = event.submitter;
    if (!pressed) return;
    if (pressed.dataset.class) this.label({ label: pressed.dataset.class });
    else if ("undo" in pressed.dataset) this.undo();
    else if ("ungradable" in pressed.dataset) {
      pressed.closest("details").open = false;
      this.label({ ungradable: form.querySelector("select[name=ungradable]").value });
    }
  }

  // What is chosen, or with the quick look open the scan that is shown.
  meant() {
    const shown = look.link?.closest("[data-tile]");
    return shown ? [shown] : this.picker.chosen.map((box) => box.closest("[data-tile]"));
  }

  label(reading) {
    const tiles = this.meant();
    if (!tiles.length) return this.told.say("none", "info");
    const seen = tiles.map((tile) => tile.querySelector("input[name=images]").value.split(":").map(Number));
    const images = seen.map(([key]) => key);
    const body = { images, versions: seen.map(([, version]) => version), ...reading, expected_count: images.length };
    const item = { id: `grid-${crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`}`, images, body };
    const next = look.open ? this.after(tiles[0]) : null;
    this.take(images);
    this.outbox.add(item);
    this.done.push({ id: item.id, images, versions: null });
    if (look.open && !next) look.close();
    else if (look.open) look.show(next.querySelector("[data-look]"));
  }

  after(tile) {
    const all = [...this.list.querySelectorAll("[data-tile]")];
    return all[all.indexOf(tile) + 1] ?? all[all.indexOf(tile) - 1] ?? null;
  }

  // Off the page, not forgotten.
  take(images) {
    const had = document.activeElement?.closest("[data-tile]");
    const gone = images.map((key) => this.list.querySelector(`[data-tile="${key}"]`)).filter(Boolean);
    const before = [...this.list.querySelectorAll("[data-tile]")];
    const stay = before.slice(0, before.indexOf(had)).filter((tile) => !gone.includes(tile));
    const place = gone.includes(had) ? stay.length : -1;
    for (const tile of gone) {
      this.tiles.set(Number(tile.dataset.tile), tile);
      tile.remove();
    }
    this.picker.refresh();
    const { boxes } = this.picker;
    if (place >= 0 || document.activeElement === document.body) boxes[Math.min(Math.max(place, 0), boxes.length - 1)]?.focus();
    this.emptied();
  }

  bring(images, versions) {
    const [first] = this.list.children;
    for (const [index, key] of images.entries()) {
      const tile = this.tiles.get(key);
      if (tile) {
        const box = tile.querySelector("input[name=images]");
        box.value = `${key}:${versions?.[index] ?? box.value.split(":")[1]}`;
        box.checked = true;
        this.tiles.delete(key);
        this.list.insertBefore(tile, first);
      }
    }
    this.picker.refresh();
    this.picker.chosen[0]?.focus();
    this.emptied();
  }

  emptied() {
    this.turn();
    const bare = !this.list.querySelector("[data-tile]") && !this.outbox.items.length;
    document.querySelector("[data-empty]").hidden = !bare;
  }

  post(url, body, id) {
    const headers = { "Content-Type": "application/json", ...(id ? { "Idempotency-Key": id } : {}) };
    return call("POST", url, { token: this.token, body: JSON.stringify(body), headers, watched: true });
  }

  saved(item, { results }) {
    const keyed = results.map((result, index) => ({ ...result, key: item.images[index] }));
    const [good, bad] = [keyed.filter(({ ok }) => ok), keyed.filter(({ ok }) => !ok)];
    // What was refused comes again as it now is, if it still waits.
    for (const { key } of bad) this.tiles.delete(key);
    const n = good.length;
    if (bad.length) this.told.say(refusals(bad), "error");
    else if (!this.outbox.items.length) this.told.say("saved", "success", { n, c: item.body.label ?? item.body.ungradable });
    this.more();
    this.keep(this.done.find((other) => other.id === item.id), good);
  }

  // What of a batch can be taken back; at once, if that was asked for while it was on its way.
  keep(batch, good) {
    if (!batch) return;
    Object.assign(batch, { images: good.map(({ key }) => key), versions: good.map(({ version }) => version) });
    if (!good.length) this.done = this.done.filter((other) => other !== batch);
    else if (batch.isUnwanted && batch === this.done.at(-1)) this.undo();
  }

  refused(item, message) {
    this.done = this.done.filter((other) => other.id !== item.id);
    this.bring(item.images);
    this.told.say(message, "error");
  }

  async undo() {
    const batch = this.done.pop();
    if (!batch) return this.told.say("nothing", "info");
    if (!batch.versions) {
      if (this.outbox.withdraw(batch.id)) {
        this.bring(batch.images);
        this.told.say("undone", "info", { n: batch.images.length });
      } else {
        // It is on its way: taken back as soon as it is there.
        this.done.push(Object.assign(batch, { isUnwanted: true }));
      }
      return;
    }
    try {
      const { data } = await this.post(form.dataset.undoing, { images: batch.images, versions: batch.versions });
      const back = data.results.map((result, index) => ({ ...result, key: batch.images[index] })).filter((result) => result.ok);
      this.bring(back.map((result) => result.key), back.map((result) => result.version));
      const bad = data.results.filter((result) => !result.ok);
      this.told.say(refusals(bad) || "undone", bad.length ? "error" : "info", { n: back.length });
      this.more();
    } catch (error) {
      this.done.push(batch);
      this.told.say(error.message, "error");
    }
  }

  // The next scans, and the leases of those that are here anew.
  async more() {
    if (this.asking) return;
    this.asking = true;
    try {
      const answer = await fetch("?more=1", { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const state = page.querySelector("[data-state]");
      if (answer.ok && state) this.arrived(page, state.dataset);
    } catch {
      // It is asked again after the next batch, or when the connection is back.
    } finally {
      this.asking = false;
    }
  }

  arrived(page, state) {
    if (state.user !== form.dataset.user) {
      this.outbox.stopped = true;
      return this.told.say("other", "error");
    }
    this.token = state.token;
    this.next = [...page.querySelectorAll("[data-tile]")].map((tile) => document.adoptNode(tile));
    Object.assign(this.list.querySelector("[data-state]").dataset, state);
    const [read, all] = [Number(state.read), Number(state.read) + Number(state.left)];
    Object.assign(form.querySelector("[data-progress]"), { max: all, value: read, hidden: !state.counted });
    form.querySelector("[data-progress-text]").textContent = state.said;
    this.turn();
    this.emptied();
  }

  // The next page, when all of this one is labelled: nothing is added to what somebody is about to choose as a whole.
  turn() {
    // What was labelled here may still have been waiting when these were asked for.
    const had = (key) => this.tiles.has(key) || this.outbox.has(key);
    const fresh = this.next.filter((tile) => !had(Number(tile.dataset.tile)));
    if (this.list.querySelector("[data-tile]") || !fresh.length) return;
    this.list.append(...fresh);
    this.next = [];
    window.scrollTo({ top: 0 });
    this.picker.refresh();
    if (!look.open) this.picker.boxes[0]?.focus({ preventScroll: true });
  }

  // Somebody signed in again, or the connection is back.
  async back() {
    if (!this.outbox.stopped) return;
    this.outbox.stopped = false;
    await this.more();
    if (!this.outbox.stopped) this.outbox.run();
  }

  leave() {
    const { until } = this.list.querySelector("[data-state]").dataset;
    const body = new FormData();
    body.append("csrfmiddlewaretoken", this.token);
    body.append("until", until);
    navigator.sendBeacon(form.dataset.release, body);
  }
}

if (form) window.grid = new Grid();
