// Every viewer of the page, also those that htmx brings later. For other scripts: `show(figure, look)` puts another scan into a
// viewer, `preload(look)` fetches and decodes one ahead, `prepare(root)` finds new viewers; a look is what `data-viewer` has. `viewer:painted` tells of each picture.
import { fetchAhead } from "./looks.js";
import { Room } from "./room.js";

const rooms = new Map();

export { fetchAhead as preload, prepare };

export function show(figure, look) {
  rooms.get(figure)?.show(look);
}

function prepare(root) {
  for (const [figure, room] of rooms) {
    if (figure.isConnected) continue;
    room.close();
    rooms.delete(figure);
  }
  for (const figure of root.querySelectorAll("[data-viewer]")) {
    if (!rooms.has(figure)) rooms.set(figure, new Room(figure));
  }
}

function ahead() {
  for (const next of document.querySelectorAll("[data-viewer-next]")) fetchAhead(JSON.parse(next.dataset.viewerNext));
}

prepare(document);
document.body.addEventListener("htmx:afterSwap", () => prepare(document));
document.addEventListener("viewer:painted", () => setTimeout(ahead, 0));
