// The buttons of the viewer and what each does.
import { showKeys } from "./keys.js";

const STEP = 1.25;

// The whole page where it has a workspace, so that what is asked about a scan stays in sight; else the viewer alone.
function full(room) {
  const around = room.figure.closest(".workspace") ? document.documentElement : room.figure;
  if (document.fullscreenElement) document.exitFullscreen();
  else if (around.requestFullscreen) around.requestFullscreen().catch(() => {});
}

const WORK = {
  window: (room) => room.choose("window"),
  pan: (room) => room.choose("pan"),
  ruler: (room) => room.choose("ruler"),
  angle: (room) => room.choose("angle"),
  erase: (room) => { room.measures(room.pane).clear(); room.touched(room.pane); },
  in: (room) => { room.pane.zoom(STEP); room.touched(room.pane); },
  out: (room) => { room.pane.zoom(1 / STEP); room.touched(room.pane); },
  fit: (room) => { room.pane.fit(); room.touched(room.pane); },
  one: (room) => {
    const { pane } = room;
    const ofFile = pane.picture.facts.file_columns / pane.picture.size.width;
    pane.zoom((room.look.large && !room.look.deep ? ofFile : 1) / (window.devicePixelRatio || 1) / pane.view.scale);
    room.touched(pane);
  },
  invert: (room) => { room.pane.setInverted(!room.pane.inverted); room.touched(room.pane); },
  turn: (room) => room.turn({ turn: (room.pane.view.turn + 1) % 4 }),
  mirror: (room) => room.turn({ mirror: !room.pane.view.mirror }),
  reset: (room) => room.reset(),
  keep: (room) => room.presets.ask(),
  play: (room) => room.cine?.toggle(),
  keys: (room) => showKeys(room.figure),
  full,
  beside: async (room, button) => {
    await room.beside.toggle();
    button.setAttribute("aria-pressed", String(room.beside.isOpen));
  },
};

const WITHOUT_PICTURE = new Set(["keys", "full", "window", "pan", "ruler", "angle"]);

export function bind(room) {
  const { figure } = room;
  figure.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (!button || (!room.pane.picture && !WITHOUT_PICTURE.has(button.dataset.do))) return;
    WORK[button.dataset.do](room, button);
  });
  arrows(figure.querySelector("[data-rail]"));
}

// A toolbar is one stop of the Tab key; the arrows go along it.
function arrows(rail) {
  const buttons = () => [...rail.querySelectorAll("button")].filter((button) => !button.hidden);
  buttons().forEach((button, at) => { button.tabIndex = at ? -1 : 0; });
  rail.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = buttons();
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
  });
  rail.addEventListener("focusin", (event) => {
    for (const button of rail.querySelectorAll("button")) button.tabIndex = button === event.target ? 0 : -1;
  });
}

document.addEventListener("fullscreenchange", () => {
  const isFull = Boolean(document.fullscreenElement);
  document.documentElement.classList.toggle("full-room", isFull);
  for (const button of document.querySelectorAll("[data-viewer] [data-do=full]")) button.setAttribute("aria-pressed", String(isFull));
});
