// What is still to be sent, in order, kept in this tab over a lost connection, an ended session and a reload. It holds keys of scans
// and the names of classes, nothing about a patient.
import { keep, kept } from "./kept.js";
import { persist } from "./persist.js";
import { Refused } from "./request.js";

// The first request with this key is still at work: its answer comes with the next try.
const RUNNING = "idempotency_in_progress";

export class Outbox {
  // `send(item)` gives the answer or rejects; `on.done(item, data)`, `on.refused(item, error)`, `on.waiting(number)`, `on.out()`.
  constructor(name, send, on) {
    Object.assign(this, { name, send, on, running: false, stopped: false });
    this.items = kept(name);
  }

  add(item) {
    this.items.push(item);
    keep(this.name, this.items);
    this.run();
  }

  // Takes back what has not been sent: true when it was still here.
  withdraw(id) {
    const at = this.items.findIndex((item) => item.id === id);
    if (at < 0 || (at === 0 && this.running)) return false;
    this.items.splice(at, 1);
    keep(this.name, this.items);
    return true;
  }

  has(scan) {
    return this.items.some((item) => item.images.includes(scan));
  }

  resume() {
    this.stopped = false;
    this.run();
  }

  async run() {
    if (this.running || this.stopped) return;
    this.running = true;
    while (this.items.length && !this.stopped) await this.#first();
    this.running = false;
  }

  async #first() {
    const [item] = this.items;
    const signal = new AbortController().signal;
    const waiting = (text) => this.on.waiting(text ? this.items.length : 0);
    try {
      const { data } = await persist(() => this.#ask(item), { signal, waiting });
      this.#drop(item);
      this.on.done(item, data);
    } catch (error) {
      if (error.status === 401 || error.status === 403) {
        this.stopped = true;
        this.on.out(this.items.length);
      } else {
        this.#drop(item);
        this.on.refused(item, error);
      }
    }
  }

  async #ask(item) {
    try {
      return await this.send(item);
    } catch (error) {
      throw error.code === RUNNING ? new Refused(error.message, 503) : error;
    }
  }

  #drop(item) {
    this.items = this.items.filter((other) => other !== item);
    keep(this.name, this.items);
  }
}
