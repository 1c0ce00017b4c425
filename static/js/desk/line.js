// The line to the server: what is sent comes back as a page, or it is said why not. Who has been signed out may sign in again
// beside the page, and what waited goes on.
import { persist } from "../persist.js";
import { Refused } from "../request.js";

const ANSWER_MS = 60_000;
const LOOK_AGAIN_MS = 8000;

class SignedOut extends Error {}
class SomebodyElse extends Error {}

export class Line {
  constructor(root) {
    this.words = root.dataset;
    this.user = root.dataset.user;
    this.address = root.dataset.address;
    this.token = root.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
    this.banner = root.querySelector("[data-unsent]");
    this.waiting = () => {};
  }

  // Asks for the desk, or for an address of it.
  ask(address = this.address) {
    return this.patiently(() => this.once(address));
  }

  // Sends the fields; `waiting` hears why it takes longer.
  send(fields) {
    return this.patiently(() => this.posted(fields));
  }

  async patiently(what) {
    const { signal } = new AbortController();
    const waiting = (why) => this.waiting(why ? this.words.lost : "");
    for (;;) {
      try {
        return await persist(what, { signal, waiting });
      } catch (error) {
        if (error instanceof SignedOut) await this.signedIn(this.words.signedOut);
        else if (error instanceof SomebodyElse) await this.signedIn(this.words.other);
        else throw error;
      }
    }
  }

  async posted(fields) {
    const send = () => this.once(this.address, new URLSearchParams([...fields, ["csrfmiddlewaretoken", this.token]]));
    try {
      return await send();
    } catch (error) {
      // Whoever signed in again has another token.
      if (error.status !== 403) throw error;
      await this.renew();
      return send();
    }
  }

  async renew() {
    const page = await this.once(this.address);
    this.token = page.querySelector("[name=csrfmiddlewaretoken]")?.value ?? this.token;
  }

  async once(address, body = null) {
    const [response, text] = await this.fetched(address, body);
    if (new URL(response.url).pathname.startsWith(this.words.login)) throw new SignedOut();
    if (!response.ok) throw new Refused(`${response.status}`, response.status);
    const page = new DOMParser().parseFromString(text, "text/html");
    const user = page.querySelector("[data-news]")?.dataset.user;
    if (user !== undefined && user !== this.user) throw new SomebodyElse();
    return page;
  }

  async fetched(address, body) {
    const headers = { "HX-Request": "true" };
    const options = { method: body ? "POST" : "GET", body, headers, signal: AbortSignal.timeout(ANSWER_MS) };
    try {
      const response = await fetch(address, options);
      return [response, await response.text()];
    } catch {
      throw new Refused(this.words.lost, 0);
    }
  }

  // Resolves when the same person is signed in again.
  async signedIn(words) {
    for (;;) {
      this.waiting(words, this.words.login);
      await lookedAgain();
      try {
        await this.renew();
        this.waiting("");
        return;
      } catch (error) {
        if (error instanceof Refused) continue;
        if (!(error instanceof SignedOut) && !(error instanceof SomebodyElse)) throw error;
      }
    }
  }
}

// The person came back to this page, or some time has gone.
function lookedAgain() {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("focus", done);
      document.removeEventListener("visibilitychange", done);
      resolve();
    };
    const timer = setTimeout(done, LOOK_AGAIN_MS);
    window.addEventListener("focus", done);
    document.addEventListener("visibilitychange", done);
  });
}
