// Files go to the API one by one, two at a time, each with its own progress and answer; a large ZIP goes in pieces. Without this
// script the form posts them all.
import { LARGE, sendInPieces } from "./pieces.js";

const AT_ONCE = 2;
const form = document.querySelector("[data-upload]");

if (form) {
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector("[data-drop]");
  const results = document.querySelector("[data-results]");
  const rows = document.querySelector("[data-rows]");
  const summary = document.querySelector("[data-summary]");
  const token = form.querySelector("input[name=csrfmiddlewaretoken]").value;
  const waiting = [];
  const tally = { sent: 0, done: 0, refused: 0 };
  let busy = 0;

  const say = () => {
    summary.textContent = `${tally.done} of ${tally.sent} done${tally.refused ? `, ${tally.refused} refused` : ""}`;
  };

  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  const cell = (row, ...children) => {
    const made = row.insertCell();
    made.append(...children);
    return made;
  };

  function newKey() {
    return crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  }

  function queue(file) {
    const row = rows.insertRow();
    cell(row, file.name);
    const bar = element("progress");
    bar.max = 1;
    bar.value = 0;
    const state = cell(row, bar);
    const answer = cell(row);
    waiting.push({ file, bar, state, answer, key: newKey() });
    tally.sent += 1;
    results.hidden = false;
    say();
    next();
  }

  function body(file, zip) {
    const data = new FormData();
    data.append("project", form.dataset.project);
    if (zip) {
      if (splitFrames()) data.append("split_frames", "true");
    } else {
      for (const name of ["label", "split", "patient", "modality"]) {
        const value = form.elements[name]?.value;
        if (value) data.append(name, value);
      }
    }
    data.append("file", file);
    return data;
  }

  function splitFrames() {
    return Boolean(form.elements.split_frames?.checked);
  }

  function next() {
    while (busy < AT_ONCE && waiting.length) send(waiting.shift());
  }

  function send(item) {
    busy += 1;
    const zip = item.file.name.toLowerCase().endsWith(".zip");
    if (zip && item.file.size > LARGE) {
      sendLarge(item);
      return;
    }
    const request = new XMLHttpRequest();
    request.open("POST", zip ? form.dataset.imports : form.dataset.images);
    request.setRequestHeader("X-CSRFToken", token);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Idempotency-Key", item.key);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) item.bar.value = event.loaded / event.total;
    });
    request.addEventListener("load", () => finish(item, zip, request));
    request.addEventListener("error", () => fail(item, "The connection was lost.", true));
    request.send(body(item.file, zip));
  }

  async function sendLarge(item) {
    const stop = new AbortController();
    const said = element("span");
    const button = element("button", "Give up", "small");
    button.type = "button";
    button.addEventListener("click", () => stop.abort());
    item.answer.replaceChildren(said, button);
    try {
      succeed(item, true, await sendInPieces(item.file, {
        url: form.dataset.uploads,
        project: form.dataset.project,
        token,
        key: newKey(),
        splitFrames: splitFrames(),
        signal: stop.signal,
        progress: (share) => { item.bar.value = share; },
        waiting: (why) => { said.textContent = why && `${why} It goes on by itself. `; },
      }));
    } catch (error) {
      // What the server refused for good would be refused again.
      const again = stop.signal.aborted || !(error.status >= 400 && error.status < 500);
      fail(item, stop.signal.aborted ? "Given up." : error.message, again);
    }
  }

  function settle() {
    busy -= 1;
    tally.done += 1;
    say();
    next();
  }

  function finish(item, zip, request) {
    let said = {};
    try { said = JSON.parse(request.responseText); } catch { /* no JSON: the status alone must do */ }
    if (request.status >= 400) {
      const why = said.errors?.map((error) => error.detail).join(" ") ?? `The server answered ${request.status}.`;
      fail(item, why, request.status >= 500);
      return;
    }
    succeed(item, zip, said);
  }

  function succeed(item, zip, said) {
    const outcome = zip ? "queued" : said.duplicate ? "already there" : "created";
    item.state.replaceChildren(element("span", outcome, `badge ${outcome === "created" ? "good" : "care"}`));
    const link = element("a", zip ? "Report of the import" : said.image_id);
    link.href = zip ? `/imports/${said.id}/` : `/scans/${said.id}/`;
    item.answer.replaceChildren(link);
    settle();
  }

  function fail(item, why, again) {
    tally.refused += 1;
    item.state.replaceChildren(element("span", "refused", "badge bad"));
    item.answer.replaceChildren(element("span", `${why} `));
    if (again) {
      const retry = element("button", "Try again", "small");
      retry.type = "button";
      retry.addEventListener("click", () => {
        tally.refused -= 1;
        tally.done -= 1;
        item.bar.value = 0;
        item.state.replaceChildren(item.bar);
        item.answer.replaceChildren();
        waiting.push(item);
        say();
        next();
      });
      item.answer.append(retry);
    }
    settle();
  }

  function take(files) {
    for (const file of files) queue(file);
    input.value = "";
  }

  form.querySelector("[data-send]").hidden = true;
  form.querySelector("[data-drop-hint]").hidden = false;
  input.required = false;
  input.addEventListener("change", () => take([...input.files]));
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, () => drop.classList.remove("over"));
  }
  drop.addEventListener("drop", (event) => { event.preventDefault(); take([...event.dataTransfer.files]); });
  window.addEventListener("beforeunload", (event) => { if (busy || waiting.length) event.preventDefault(); });
}
