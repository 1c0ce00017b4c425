// The palette of the keyboard: Ctrl or Cmd with K, or "/" and "?" where single keys act and the page has no own use for them.
// It lists the keys of the page too ("?" nothing else), so that they can be found, and what they press can be pressed from here;
// but never by Enter alone: nobody labels a scan who only wanted to see the keys.
// A combobox as the ARIA guide describes it: the focus stays in the field, the arrows move through the list.
import { TYPING } from "./typing.js";

const dialog = document.getElementById("palette");
const field = dialog?.querySelector(".palette-field");
const list = dialog?.querySelector(".palette-list");
const count = dialog?.querySelector("[data-count]");
const SVG = "http://www.w3.org/2000/svg";
// What is typed quickly is asked about once.
const PAUSE_MS = 90;

let asked = null;
let due = 0;
let options = [];
let chosen = -1;

function open(key) {
  if (!dialog || dialog.open || document.querySelector("dialog[open]")) return;
  field.value = "";
  dialog.showModal();
  field.focus();
  const here = key === "?" ? ofThisPage() : [];
  if (here.length > 0) show(here);
  else ask();
}

async function ask() {
  asked?.abort();
  const mine = (asked = new AbortController());
  const address = `${dialog.dataset.url}?q=${encodeURIComponent(field.value)}`;
  try {
    const answer = await fetch(address, { signal: mine.signal, headers: { Accept: "application/json" } });
    // Signed out: the answer is the log-in page.
    if (answer.redirected) return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    show([...(await answer.json()).groups, ...ofThisPage()]);
  } catch (error) {
    if (error.name !== "AbortError") tell(dialog.dataset.away);
  }
}

// What has a key on this page and is in sight, as far as it fits what is typed.
function ofThisPage() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const items = [...document.querySelectorAll("[data-key], [data-hotkey]")]
    .filter((element) => !element.disabled && element.getClientRects().length > 0)
    .map((element) => ({ text: nameOf(element), key: element.dataset.key ?? element.dataset.hotkey, press: element, icon: "keyboard" }))
    .filter(({ text }) => text && words.every((word) => text.toLowerCase().includes(word)));
  return items.length > 0 ? [{ title: dialog.dataset.here, items }] : [];
}

function nameOf(element) {
  if (element.ariaLabel) return element.ariaLabel;
  const copy = element.cloneNode(true);
  for (const part of copy.querySelectorAll("kbd, svg")) part.remove();
  return copy.textContent.replaceAll(/\s+/g, " ").trim();
}

function show(groups) {
  options = [];
  list.replaceChildren(...groups.map(groupOf));
  list.scrollTop = 0;
  choose(options.findIndex(({ item }) => !item.press));
  if (options.length === 0) tell(dialog.dataset.none);
  else count.textContent = options.length === 1 ? dialog.dataset.one : dialog.dataset.many.replace("NUMBER", options.length);
}

function tell(text) {
  const line = document.createElement("p");
  line.className = "palette-none muted";
  line.textContent = text;
  options = [];
  list.replaceChildren(line);
  field.removeAttribute("aria-activedescendant");
  count.textContent = text;
}

function groupOf(group, place) {
  const box = document.createElement("div");
  box.setAttribute("role", "group");
  const title = document.createElement("div");
  title.className = "palette-title";
  title.id = `palette-group-${place}`;
  title.textContent = group.title;
  box.setAttribute("aria-labelledby", title.id);
  box.append(title, ...group.items.map(optionOf));
  return box;
}

function optionOf(item) {
  const option = document.createElement("div");
  option.className = "palette-option";
  option.id = `palette-option-${options.length}`;
  option.setAttribute("role", "option");
  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("class", "icon");
  icon.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${dialog.dataset.icons}#${item.icon}`);
  icon.append(use);
  const text = document.createElement("span");
  text.textContent = item.text;
  option.append(icon, text);
  if (item.detail) {
    const detail = document.createElement("span");
    detail.className = "palette-detail muted small";
    detail.textContent = item.detail;
    option.append(detail);
  }
  if (item.key) {
    const key = document.createElement("kbd");
    key.className = "palette-detail";
    key.textContent = item.key;
    option.append(key);
  }
  options.push({ option, item });
  return option;
}

// -1: nothing, until somebody chooses.
function choose(place) {
  for (const { option } of options) option.removeAttribute("aria-selected");
  chosen = place;
  const option = options[place]?.option;
  if (!option) return field.removeAttribute("aria-activedescendant");
  option.setAttribute("aria-selected", "true");
  option.scrollIntoView({ block: "nearest" });
  field.setAttribute("aria-activedescendant", option.id);
}

function take(place, elsewhere) {
  const item = options[place]?.item;
  if (!item) return;
  if (item.press) {
    dialog.close();
    item.press.click();
  } else if (item.theme) {
    dialog.close();
    // The switch of the page keeps it.
    document.querySelector(`[data-theme-switch] button[value="${item.theme}"]`)?.click();
  } else if (elsewhere) {
    window.open(item.url, "_blank", "noopener");
  } else {
    location.assign(item.url);
  }
}

function moved(event) {
  const last = options.length - 1;
  const steps = {
    ArrowDown: chosen === last ? 0 : chosen + 1,
    ArrowUp: chosen <= 0 ? last : chosen - 1,
    PageDown: Math.min(chosen + 5, last),
    PageUp: Math.max(chosen - 5, 0),
  };
  if (!(event.key in steps)) return false;
  if (last >= 0) choose(steps[event.key]);
  return true;
}

function opens(event) {
  const held = event.ctrlKey || event.metaKey;
  if (event.altKey || event.defaultPrevented) return false;
  return held ? event.key.toLowerCase() === "k" && !event.shiftKey : isFree(event);
}

// A single key that neither writes nor belongs to the page.
function isFree(event) {
  if (event.key !== "/" && event.key !== "?") return false;
  if (document.body.dataset.letterKeys === "off" || event.target.closest(TYPING)) return false;
  return !document.querySelector(`[data-key="${event.key}"], [data-hotkey="${event.key}"]`);
}

if (dialog) {
  for (const hint of document.querySelectorAll("[data-palette-hint]")) {
    if (/^(Mac|iP)/.test(navigator.platform)) hint.textContent = "⌘ K";
    hint.hidden = false;
  }
  document.addEventListener("keydown", (event) => {
    if (!opens(event)) return;
    event.preventDefault();
    open(event.key);
  });
  field.addEventListener("input", () => {
    clearTimeout(due);
    due = setTimeout(ask, PAUSE_MS);
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter") take(chosen, event.ctrlKey || event.metaKey);
    else if (!moved(event)) return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) take(options.findIndex((row) => row.option === option), event.ctrlKey || event.metaKey);
  });
  // A press beside the dialog closes it.
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { asked?.abort(); clearTimeout(due); });
}
