// Files go to the API one by one, two at a time, each with its own progress and answer; a large ZIP goes in pieces. Without this
// script the form posts them all.
import { follow } from "./follow.js";
import { LARGE, sendInPieces } from "./pieces.js";
import { call } from "./request.js";
import { addLine } from "./upload_line.js";

const AT_ONCE = 2;
const FACTS = ["label", "split", "patient", "modality"];

function newKey() {
  return crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
}

function isZip(file) {
  return /\.(zip|npz)$/i.test(file.name);
}

function start(form) {
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector("[data-drop]");
  const results = document.querySelector("[data-results]");
  const rows = document.querySelector("[data-rows]");
  const summary = document.querySelector("[data-summary]");
  const token = form.querySelector("input[name=csrfmiddlewaretoken]").value;
  const next = document.querySelector("[data-next]");
  const words = new Map([...document.querySelectorAll("[data-upload-word]")].map((word) => [word.dataset.uploadWord, word.textContent]));
  const waiting = [];
  const tally = { sent: 0, done: 0, refused: 0 };
  let busy = 0;

  function say(name, values = {}) {
    return (words.get(name) ?? name).replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
  }

  function sum() {
    const said = say("done", { done: tally.done, sent: tally.sent });
    summary.textContent = tally.refused ? `${said}, ${say("so many refused", { refused: tally.refused })}` : said;
  }

  function splitFrames() {
    return Boolean(form.elements.split_frames?.checked);
  }

  function lookFirst() {
    return Boolean(form.elements.preview?.checked);
  }

  function body(file) {
    const data = new FormData();
    data.append("project", form.dataset.project);
    if (isZip(file)) {
      if (splitFrames()) data.append("split_frames", "true");
    } else {
      for (const name of FACTS) {
        const value = form.elements[name]?.value;
        if (value) data.append(name, value);
      }
    }
    data.append("file", file);
    return data;
  }

  async function sendWhole({ file, key, line }) {
    const zips = lookFirst() ? form.dataset.preview : form.dataset.imports;
    const url = isZip(file) ? zips : form.dataset.images;
    const progress = (sent, total) => { if (total) line.progress(sent / total); };
    const { data } = await call("POST", url, { token, body: body(file), headers: { "Idempotency-Key": key }, progress });
    return data;
  }

  function sendLarge({ file, line }, stop) {
    return sendInPieces(file, {
      url: form.dataset.uploads,
      project: form.dataset.project,
      token,
      key: newKey(),
      splitFrames: splitFrames(),
      preview: lookFirst(),
      signal: stop.signal,
      progress: line.progress,
      waiting: line.stoppable(() => stop.abort()),
    });
  }

  async function send(item) {
    const stop = new AbortController();
    busy += 1;
    try {
      const large = isZip(item.file) && item.file.size > LARGE;
      answered(item, await (large ? sendLarge(item, stop) : sendWhole(item)));
    } catch (error) {
      refuse(item, stop.signal.aborted ? say("cancelled") : error.message, stop.signal.aborted || !error.final);
    }
    busy -= 1;
    tally.done += 1;
    sum();
    sendWaiting();
  }

  // `upload`: a ZIP that waits for somebody to look at it. A scan that is held back is not simply here: somebody has to look.
  function showAnswer({ file, line }, answer) {
    if (answer.upload) line.succeeded(say("waiting"), say("see"), `/uploads/${answer.upload}/`, { tone: "care" });
    else if (isZip(file)) follow(answer, line, { url: form.dataset.imports, token, say, ended: () => { next.hidden = false; } });
    else showScan(line, answer);
  }

  function showScan(line, answer) {
    const place = `/scans/${answer.id}/`;
    const note = (answer.warnings ?? []).map((warning) => warning.detail).join(" ");
    if (answer.hold) line.succeeded(say("held"), answer.image_id, place, { tone: "care", note: say("look") });
    else if (answer.duplicate) line.succeeded(say("there"), answer.image_id, place, { tone: "care", note });
    else line.succeeded(say("created"), answer.image_id, place, { note });
    next.hidden = false;
  }

  // Who sends one ZIP is shown at once what is in it.
  function answered(item, answer) {
    showAnswer(item, answer);
    if (answer.upload && tally.sent === 1) setTimeout(() => window.location.assign(`/uploads/${answer.upload}/`));
  }

  function refuse(item, why, again) {
    const retry = () => {
      tally.refused -= 1;
      tally.done -= 1;
      item.line.reset();
      enqueue(item);
    };
    tally.refused += 1;
    item.line.refused(why, again ? retry : null);
  }

  function enqueue(item) {
    waiting.push(item);
    sum();
    sendWaiting();
  }

  function sendWaiting() {
    while (busy < AT_ONCE && waiting.length) send(waiting.shift());
  }

  function take(files) {
    for (const file of files) {
      tally.sent += 1;
      results.hidden = false;
      enqueue({ file, key: newKey(), line: addLine(rows, file.name, say) });
    }
    input.value = "";
  }

  form.querySelector("[data-send]").hidden = true;
  for (const shown of form.querySelectorAll("[data-drop-hint], [data-choose]")) shown.hidden = false;
  form.querySelector("[data-native]").classList.add("quiet-field");
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

const form = document.querySelector("[data-upload]");
if (form) start(form);
