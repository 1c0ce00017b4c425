// A large file goes in pieces. A lost connection costs one piece, which is sent again; a file that is chosen again after a reload
// resumes where it stopped, if what the server has of it is still the same.
import { persist } from "./persist.js";
import { Refused, call } from "./request.js";

export const LARGE = 8 * 2 ** 20;

function ask(options, method, path, more = {}) {
  const { url, token, signal } = options;
  return persist(() => call(method, `${url}${path}`, { token, signal, watched: true, ...more }), options);
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
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// An upload of exactly this file that was broken off: every piece the server has is compared with the file.
async function unfinished(file, options) {
  if (!globalThis.crypto?.subtle) return null;
  const query = new URLSearchParams({
    project: options.project, file_name: file.name, size: file.size, finished: false, mine: true,
  });
  const list = await ask(options, "GET", `?${query}`);
  for (const { id, split_frames: split, preview } of list.data.results) {
    const { data } = await ask(options, "GET", `${id}/`);
    if (split === options.splitFrames && preview === options.preview && (await same(file, data.parts))) return data;
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
    preview: options.preview,
  });
  // One key for all attempts: an announcement whose answer was lost is not made twice.
  const headers = { "Content-Type": "application/json", "Idempotency-Key": options.key };
  return (await ask(options, "POST", "", { body, headers })).data;
}

async function put(file, upload, first, options) {
  const end = Math.min(first + upload.part_size, file.size);
  const data = await bytes(file, first, end);
  const headers = {
    "Content-Type": "application/octet-stream", "Content-Range": `bytes ${first}-${end - 1}/${file.size}`,
  };
  if (globalThis.crypto?.subtle) headers["X-Content-SHA256"] = await digest(data);
  const progress = (sent) => options.progress((first + sent) / file.size);
  return ask(options, "PUT", `${upload.id}/`, { body: data, headers, progress });
}

// Where the next piece begins. When all is here but the import was not made, the last piece is sent once more.
function resumeAt(upload) {
  return upload.received < upload.size ? upload.received : (upload.parts.at(-1)?.offset ?? 0);
}

function became(status, data) {
  if (status === 202) return data;
  return data.preview && data.received === data.size ? { upload: data.id } : null;
}

// The import that the file became, or {upload} when it waits to be looked at. Options: url, project, token, key, splitFrames,
// preview, signal, progress(share), waiting(text).
export async function sendInPieces(file, options) {
  let upload = (await unfinished(file, options)) ?? (await announce(file, options));
  const { id } = upload;
  try {
    for (let first = resumeAt(upload); ;) {
      options.progress(first / file.size);
      try {
        const { status, data } = await put(file, upload, first, options);
        const made = became(status, data);
        if (made) return made;
        first = data.received;
      } catch (error) {
        if (error.code !== "wrong_offset") throw error;
        // Another tab sends the same file, or an answer was lost.
        upload = (await ask(options, "GET", `${id}/`)).data;
        first = resumeAt(upload);
      }
    }
  } catch (error) {
    if (options.signal.aborted) await call("DELETE", `${options.url}${id}/`, { token: options.token, watched: true });
    throw error;
  }
}
