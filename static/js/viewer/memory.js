// How somebody looks at pictures, from one scan to the next of the same project and modality, for as long as the tab is open.
// Windows of values that mean the same in every scan (a CT's) are kept as they are, others by how they differ from the scan's own.
import { bounded, fitting } from "./geometry.js";
import { own } from "./windows.js";

const ABSOLUTE = new Set(["CT"]);

function place({ project, modality }) {
  return `viewer ${project} ${modality}`;
}

export function remembered(look) {
  try {
    return JSON.parse(sessionStorage.getItem(place(look))) ?? {};
  } catch {
    return {};
  }
}

export function remember(look, kept) {
  try {
    sessionStorage.setItem(place(look), JSON.stringify(kept));
  } catch {
    // a browser that keeps nothing shows each scan as it comes
  }
}

// What is kept of a pane. `hasWindow`: somebody chose one.
export function asKept(pane, look, hasWindow) {
  const { picture, view } = pane;
  const fit = fitting(picture.size, pane.pane, view);
  const kept = { inverted: pane.inverted };
  if (view.scale > fit * 1.001) {
    kept.zoom = view.scale / fit;
    [kept.x, kept.y] = [view.x / picture.size.width, view.y / picture.size.height];
  }
  if (!hasWindow) return kept;
  const file = own(picture.facts);
  kept.window = ABSOLUTE.has(look.modality)
    ? pane.window
    : { centre: (pane.window.centre - file.centre) / file.width, width: pane.window.width / file.width };
  return kept;
}

export function windowOf(kept, picture, look) {
  if (!kept.window) return null;
  if (ABSOLUTE.has(look.modality)) return kept.window;
  const file = own(picture.facts);
  return { centre: file.centre + kept.window.centre * file.width, width: kept.window.width * file.width };
}

export function viewOf(kept, picture, pane) {
  if (!kept.zoom) return null;
  const { width, height } = picture.size;
  const scale = fitting(picture.size, pane) * kept.zoom;
  return bounded({ turn: 0, mirror: false, scale, x: kept.x * width, y: kept.y * height }, picture.size, pane);
}
