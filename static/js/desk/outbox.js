// Answers on their way, in their order. They are kept in the tab until the server has them, so that neither a lost connection nor
// a page that is loaded again loses one; the server knows one that comes twice.
import { keep, kept } from "../kept.js";
import { say } from "../said.js";
import { tellOver } from "./notices.js";

const MOST = 2;

export class Outbox {
  constructor(line, { answered, name }) {
    this.line = line;
    this.answered = answered;
    this.key = `desk:${line.user}:${name}`;
    this.flying = null;
    this.listeners = [];
    this.entries = kept(this.key);
    line.waiting = (why, login) => this.tell(why, login);
    if (this.entries.length) this.fly();
  }

  get size() {
    return this.entries.length;
  }

  holds(scan) {
    return this.entries.some((entry) => entry.scan === scan);
  }

  put(entry) {
    this.entries.push(entry);
    this.keep();
    this.show();
    this.fly();
  }

  // The last answer again, while it has not left.
  pull() {
    const last = this.entries.at(-1);
    if (!last?.card || last === this.flying) return null;
    this.entries.pop();
    this.keep();
    return last;
  }

  // When there is room for one more.
  async room() {
    while (this.entries.length >= MOST) {
      if (this.why) {
        say(this.line.words.full);
        this.show(this.line.words.full);
      }
      await this.progress();
    }
  }

  async emptied() {
    while (this.entries.length) await this.progress();
  }

  progress() {
    return new Promise((resolve) => this.listeners.push(resolve));
  }

  // Something that is not about the scan shown: sent at once, for nothing else is on its way.
  through(fields) {
    return this.line.send(fields);
  }

  async fly() {
    if (this.flying) return;
    while (this.entries.length) {
      const entry = (this.flying = this.entries[0]);
      try {
        const page = await this.line.send(entry.fields);
        this.done(entry);
        this.answered(page, entry);
      } catch (error) {
        this.done(entry);
        this.refused(error, entry);
      }
      for (const heard of this.listeners.splice(0)) heard();
    }
    this.flying = null;
  }

  done(entry) {
    this.entries = this.entries.filter((other) => other !== entry);
    this.flying = null;
    this.keep();
    this.tell("");
  }

  // The scan comes again; its comment is told, so that it need not be written anew.
  refused(error, { scan, card, fields }) {
    const comment = fields.find(([name, value]) => name === "comment" && value)?.[1];
    const notice = document.createElement("p");
    notice.className = "notice error";
    notice.textContent = `${this.line.words.refused}: ${card?.look.code ?? scan}: ${error.message}`;
    if (comment) notice.textContent += ` “${comment}”`;
    tellOver(document.querySelector("[data-saved]"), [notice]);
    say(notice.textContent);
  }

  // Why something waits, with a way to sign in where that is what is missing.
  tell(why, login = "") {
    if (why === this.why) return;
    Object.assign(this, { why, login });
    this.show();
    if (why) say(this.line.banner.textContent);
  }

  show(more = "") {
    const banner = this.line.banner;
    banner.hidden = !this.why;
    banner.replaceChildren();
    if (!this.why) return;
    banner.append(this.entries.length ? `${this.line.words.waiting}: ${this.entries.length}. ${this.why} ` : `${this.why} `);
    if (more) banner.append(`${more} `);
    if (!this.login) return;
    const link = document.createElement("a");
    Object.assign(link, { href: this.login, target: "_blank", rel: "noopener", textContent: this.line.words.logIn });
    banner.append(link);
  }

  keep() {
    const plain = this.entries.map(({ scan, fields }) => ({ scan, fields }));
    keep(this.key, plain);
  }
}
