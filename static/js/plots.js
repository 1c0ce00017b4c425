// Plots: hover and focus show a mark's sentence; arrow keys go from mark to mark, up and down from line to line.

const wired = new WeakSet();

function wire(plot) {
  if (wired.has(plot)) return;
  wired.add(plot);
  const marks = [...plot.querySelectorAll("[data-said]")];
  const stops = marks.filter((mark) => mark.matches(".mark"));
  for (const mark of marks) {
    mark.querySelector(":scope > title")?.remove(); // ours is quicker, and one is enough
    if (mark.matches(".mark")) mark.setAttribute("aria-label", mark.dataset.said);
  }
  stops.forEach((mark, index) => mark.setAttribute("tabindex", index ? "-1" : "0"));
  plot.addEventListener("pointerover", (event) => say(plot, event.target.closest("[data-said]")));
  plot.addEventListener("pointerleave", () => hush(plot));
  plot.addEventListener("focusin", (event) => say(plot, event.target.closest(".mark")));
  plot.addEventListener("focusout", () => hush(plot));
  plot.addEventListener("keydown", (event) => move(event, plot, stops));
}

function say(plot, mark) {
  if (!mark) return;
  hush(plot);
  mark.classList.add("now");
  const tip = document.createElement("div");
  tip.className = "plot-tip";
  tip.setAttribute("aria-hidden", "true"); // a screen reader has it as the mark's name
  tip.textContent = mark.dataset.said;
  plot.append(tip);
  place(tip, plot, mark);
}

function place(tip, plot, mark) {
  const frame = plot.getBoundingClientRect();
  const shape = (mark.querySelector(".fill") ?? mark).getBoundingClientRect();
  const left = shape.left + shape.width / 2 - frame.left - tip.offsetWidth / 2;
  const above = shape.top - frame.top - tip.offsetHeight - 8;
  tip.style.left = `${Math.max(0, Math.min(left, frame.width - tip.offsetWidth))}px`;
  tip.style.top = `${frame.top + above < 0 ? shape.bottom - frame.top + 8 : above}px`;
}

function hush(plot) {
  for (const tip of plot.querySelectorAll(":scope > .plot-tip")) tip.remove();
  for (const mark of plot.querySelectorAll(".now")) mark.classList.remove("now");
}

function move(event, plot, stops) {
  if (event.key === "Escape") return hush(plot);
  const here = stops.indexOf(event.target.closest(".mark"));
  const next = here < 0 ? null : target(event.key, here, stops);
  if (!next) return undefined;
  event.preventDefault();
  stops[here].setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  return next.focus();
}

function target(key, here, stops) {
  const series = (mark) => stops.filter((other) => other.dataset.series === mark.dataset.series);
  const own = series(stops[here]);
  const at = own.indexOf(stops[here]);
  const all = [...new Set(stops.map((mark) => mark.dataset.series))];
  const level = all.indexOf(stops[here].dataset.series);
  const other = (step) => {
    const line = all[level + step] === undefined ? null : stops.filter((mark) => mark.dataset.series === all[level + step]);
    return line && line[Math.min(at, line.length - 1)];
  };
  const ways = {
    ArrowRight: () => own[at + 1],
    ArrowLeft: () => own[at - 1],
    Home: () => own[0],
    End: () => own[own.length - 1],
    ArrowUp: () => other(-1),
    ArrowDown: () => other(1),
  };
  return ways[key]?.() ?? null;
}

function start(root) {
  for (const plot of root.querySelectorAll("[data-plot]")) wire(plot);
}

start(document);
document.body.addEventListener("htmx:load", (event) => start(event.target.parentElement ?? document));
