// Every viewer of the page, also those that htmx brings later. For other scripts: `show(figure, look)` puts another scan into a
// viewer, `preload(look)` fetches and decodes one ahead, `prepare(root)` finds new viewers; a look is what `data-viewer` has. `viewer:painted` tells of each picture.
import { fetchAhead } from "./looks.js";
import { Room } from "./room.js";

const rooms = new Map();

export { fetchAhead as preload };

export function show(figure, look) {
  rooms.get(figure)?.show(look);
}

// The same scan once more, such as on a page that waits for an answer: its viewer stays as it is.
function kept(figure, gone) {
  const isSame = ([other]) => (
    other.dataset.viewer === figure.dataset.viewer && !other.querySelector("[data-heat]") === !figure.querySelector("[data-heat]"));
  const known = gone.find(isSame)?.[0];
  if (known) figure.replaceWith(known);
  return Boolean(known);
}

export function prepare(root) {
  const gone = [...rooms].filter(([figure]) => !figure.isConnected);
  for (const figure of root.querySelectorAll("[data-viewer]")) {
    if (!rooms.has(figure) && !kept(figure, gone)) rooms.set(figure, new Room(figure));
  }
  for (const [figure, room] of gone.filter(([one]) => !one.isConnected)) {
    room.close();
    rooms.delete(figure);
  }
}

function ahead() {
  for (const next of document.querySelectorAll("[data-viewer-next]")) fetchAhead(JSON.parse(next.dataset.viewerNext));
}

prepare(document);
document.body.addEventListener("htmx:afterSwap", () => prepare(document));
document.addEventListener("viewer:painted", () => setTimeout(ahead, 0));
