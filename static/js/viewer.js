// Brightness, contrast, inversion and zoom of the shown rendition. They change nothing but this view.

const STEP = 1.25;
const MAX_ZOOM = 8;

function viewer(figure) {
  const picture = figure.querySelector("[data-picture]");
  const tools = figure.querySelector("[data-tools]");
  const brightness = figure.querySelector("[data-brightness]");
  const contrast = figure.querySelector("[data-contrast]");
  const invert = figure.querySelector("[data-invert]");
  const fresh = { zoom: 1, x: 0, y: 0 };
  let at = { ...fresh };
  let held = null;

  function show() {
    const inverted = invert.getAttribute("aria-pressed") === "true" ? 1 : 0;
    picture.style.filter = `brightness(${brightness.value}%) contrast(${contrast.value}%) invert(${inverted})`;
    picture.style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.zoom})`;
  }

  function zoom(factor) {
    at.zoom = Math.min(MAX_ZOOM, Math.max(1, at.zoom * factor));
    if (at.zoom === 1) at = { ...fresh };
    show();
  }

  brightness.addEventListener("input", show);
  contrast.addEventListener("input", show);
  invert.addEventListener("click", () => {
    invert.setAttribute("aria-pressed", String(invert.getAttribute("aria-pressed") !== "true"));
    show();
  });
  for (const button of figure.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => zoom(button.dataset.zoom === "in" ? STEP : 1 / STEP));
  }
  figure.querySelector("[data-reset]").addEventListener("click", () => {
    brightness.value = contrast.value = "100";
    invert.setAttribute("aria-pressed", "false");
    at = { ...fresh };
    show();
  });
  picture.addEventListener("dragstart", (event) => event.preventDefault());
  picture.parentElement.addEventListener("pointerdown", (event) => {
    if (at.zoom > 1) held = { x: event.clientX - at.x, y: event.clientY - at.y };
  });
  picture.parentElement.addEventListener("pointermove", (event) => {
    if (!held) return;
    at = { ...at, x: event.clientX - held.x, y: event.clientY - held.y };
    show();
  });
  for (const end of ["pointerup", "pointerleave", "pointercancel"]) {
    picture.parentElement.addEventListener(end, () => { held = null; });
  }
  tools.hidden = false;
}

function prepare(root) {
  for (const figure of root.querySelectorAll("[data-viewer]:not([data-ready])")) {
    figure.dataset.ready = "";
    viewer(figure);
  }
}

prepare(document);
document.body.addEventListener("htmx:afterSwap", (event) => prepare(event.target));
