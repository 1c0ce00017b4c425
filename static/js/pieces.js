// A large file goes in pieces. A lost connection costs one piece, which is sent again; a file that is chosen again after a reload
// goes on where it stopped, if what the server has of it is still the same.

export const LARGE = 8 * 2 ** 20;
const PAUSES_S = [1, 2, 5, 10, 20, 30];
const STALLED_MS = 60_000;
const ANSWER_MS = 600_000;
// A proxy or server that is just away; whatever else the server answers is tried a few times only.
const AWAY = [0, 408, 429, 502, 503, 504];
const FEW = 5;
const AGAIN = ["digest_mismatch", "incomplete"];

export class Refused extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// Asks until there is an answer. `waiting` is told of each failure (its text), and of the end of it (nothing).
export async function persist(ask, { signal, waiting }) {
  for (let failures = 0; ; failures += 1) {
    try {
      const answer = await ask();
      if (failures) waiting("");
      return answer;
    } catch (error) {
      const away = AWAY.includes(error.status);
      const again = away || (failures < FEW && (error.status >= 500 || AGAIN.includes(error.code)));
      if (!(error instanceof Refused) || !again || signal.aborted) throw error;
      waiting(error.message);
      await pause(PAUSES_S[Math.min(failures, PAUSES_S.length - 1)], signal);
    }
  }
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener("online", end);
      if (signal.aborted) reject(new DOMException("given up", "AbortError"));
      else resolve();
    };
    const timer = setTimeout(end, seconds * 1000);
    window.addEventListener("online", end);
    signal.addEventListener("abort", end, { once: true });
  });
}

// One request. Resolves with {status, data}; rejects with Refused (status 0: no answer) or with the abort.
function call(method, url, { token, signal, body = null, headers = {}, progress = null }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let timer;
    const watch = (limit) => { clearTimeout(timer); timer = setTimeout(() => request.abort(), limit); };
    const abort = () => request.abort();
    const settle = (action, value) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      action(value);
    };
    request.open(method, url);
    for (const [name, value] of Object.entries({ Accept: "application/json", "X-CSRFToken": token, ...headers })) {
      request.setRequestHeader(name, value);
    }
    request.upload.addEventListener("progress", (event) => { watch(STALLED_MS); progress?.(event.loaded); });
    request.upload.addEventListener("load", () => watch(ANSWER_MS));
    request.addEventListener("load", () => {
      let data = {};
      try { data = JSON.parse(request.responseText); } catch { /* no JSON: the status alone must do */ }
      if (request.status < 400) return settle(resolve, { status: request.status, data });
      const why = data.errors?.map((error) => error.detail).join(" ") ?? `The server answered ${request.status}.`;
      return settle(reject, new Refused(why, request.status, data.errors?.[0]?.code));
    });
    request.addEventListener("error", () => settle(reject, new Refused("The connection was lost.", 0)));
    request.addEventListener("abort", () => settle(
      reject, signal.aborted ? new DOMException("given up", "AbortError") : new Refused("The connection was lost.", 0),
    ));
    signal.addEventListener("abort", abort, { once: true });
    watch(method === "PUT" ? STALLED_MS : ANSWER_MS);
    request.send(body);
  });
}

async function bytes(file, first, end) {
  try {
    return await file.slice(first, end).arrayBuffer();
  } catch {
    throw new Refused("The file was changed or moved. Choose it again.", 400);
  }
}

// Only where the page came over https or from this machine; elsewhere the browser has no digests.
async function digest(data) {
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return [...found].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// An upload of this very file that was broken off: every piece the server has is compared with the file.
async function unfinished(file, options) {
  if (!globalThis.crypto?.subtle) return null;
  const query = new URLSearchParams({ project: options.project, file_name: file.name, size: file.size, finished: false, mine: true });
  const list = await persist(() => call("GET", `${options.url}?${query}`, options), options);
  for (const { id, split_frames: split } of list.data.results) {
    const { data } = await persist(() => call("GET", `${options.url}${id}/`, options), options);
    if (split === options.splitFrames && (await same(file, data.parts))) return data;
  }
  return null;
}

async function same(file, parts) {
  for (const { offset, size, sha256 } of parts) {
    if ((await digest(await bytes(file, offset, offset + size))) !== sha256) return false;
  }
  return true;
}

async function announce(file, options) {
  const body = JSON.stringify({
    project: options.project, file_name: file.name, size: file.size, split_frames: options.splitFrames,
  });
  // One key for all attempts: an announcement whose answer was lost is not made twice.
  const headers = { "Content-Type": "application/json", "Idempotency-Key": options.key };
  return (await persist(() => call("POST", options.url, { ...options, body, headers }), options)).data;
}

async function put(file, upload, first, options) {
  const end = Math.min(first + upload.part_size, file.size);
  const data = await bytes(file, first, end);
  const headers = {
    "Content-Type": "application/octet-stream", "Content-Range": `bytes ${first}-${end - 1}/${file.size}`,
  };
  if (globalThis.crypto?.subtle) headers["X-Content-SHA256"] = await digest(data);
  const progress = (sent) => options.progress((first + sent) / file.size);
  return persist(() => call("PUT", `${options.url}${upload.id}/`, { ...options, body: data, headers, progress }), options);
}

// Where the next piece begins. When all is here but the import was not made, the last piece is sent once more.
function next(upload) {
  return upload.received < upload.size ? upload.received : (upload.parts.at(-1)?.offset ?? 0);
}

// The import that the file became. Options: url, project, token, key, splitFrames, signal, progress(share), waiting(text).
export async function sendInPieces(file, options) {
  let upload = (await unfinished(file, options)) ?? (await announce(file, options));
  const { id } = upload;
  try {
    for (let first = next(upload); ;) {
      options.progress(first / file.size);
      try {
        const { status, data } = await put(file, upload, first, options);
        if (status === 202) return data;
        first = data.received;
      } catch (error) {
        if (error.code !== "wrong_offset") throw error;
        // Another tab sends the same file, or an answer was lost.
        upload = (await persist(() => call("GET", `${options.url}${id}/`, options), options)).data;
        first = next(upload);
      }
    }
  } catch (error) {
    if (options.signal.aborted) await call("DELETE", `${options.url}${id}/`, { ...options, signal: new AbortController().signal });
    throw error;
  }
}
