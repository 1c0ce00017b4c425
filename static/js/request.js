// One request to the API, and its refusal in words.

const STALLED_MS = 60_000;
const ANSWER_MS = 600_000;
const LOST = "The connection was lost.";

export class Refused extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }

  // What the server refused for good would be refused again.
  get final() {
    return this.status >= 400 && this.status < 500;
  }
}

// Resolves with {status, data}; rejects with Refused (status 0: no answer) or with the abort. `progress` gets how many bytes
// are sent and the total. A `watched` request is given up when nothing moves for a minute, or no answer comes for ten.
export function call(method, url, options) {
  const { token, signal = null, body = null, headers = {}, progress = null, watched = false } = options;
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let timer;
    const watch = (limit) => {
      clearTimeout(timer);
      if (watched) timer = setTimeout(() => request.abort(), limit);
    };
    const abort = () => request.abort();
    const settle = (action, value) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      action(value);
    };
    request.open(method, url);
    for (const [name, value] of Object.entries({ Accept: "application/json", "X-CSRFToken": token, ...headers })) {
      request.setRequestHeader(name, value);
    }
    request.upload.addEventListener("progress", (event) => { watch(STALLED_MS); progress?.(event.loaded, event.total); });
    request.upload.addEventListener("load", () => watch(ANSWER_MS));
    request.addEventListener("load", () => {
      const data = parsed(request.responseText);
      if (request.status < 400) settle(resolve, { status: request.status, data });
      else refusal(request.status, data, token).then((error) => settle(reject, error));
    });
    request.addEventListener("error", () => settle(reject, new Refused(LOST, 0)));
    request.addEventListener("abort", () => settle(reject, signal?.aborted ? givenUp() : new Refused(LOST, 0)));
    signal?.addEventListener("abort", abort, { once: true });
    watch(method === "PUT" ? STALLED_MS : ANSWER_MS);
    request.send(body);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {}; // not JSON: the status alone must do
  }
}

async function refusal(status, data, token) {
  const why = data.errors?.map((error) => error.detail).join(" ") ?? `The server answered ${status}.`;
  return new Refused(await inLanguage(why, token), status, data.errors?.[0]?.code);
}

// The API refuses in English, whoever asks; a page in another language has an address that knows the words. Without it English
// will do.
async function inLanguage(text, token) {
  const address = document.body.dataset.said;
  if (!address) return text;
  try {
    const answer = await fetch(address, { method: "POST", headers: { "X-CSRFToken": token }, body: new URLSearchParams({ text }) });
    return answer.ok ? (await answer.json()).said : text;
  } catch {
    return text;
  }
}

export function givenUp() {
  return new DOMException("given up", "AbortError");
}
