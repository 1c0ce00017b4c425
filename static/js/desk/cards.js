// A scan as the server sent it: the parts of the page that are about it, with its picture decoded before it is shown.
import { preload, show } from "../viewer/main.js";

export class Card {
  // `source`: the workspace of a page, or a template beside it.
  constructor(source) {
    const here = source.isConnected && source.ownerDocument === document;
    const root = source instanceof HTMLTemplateElement ? source.content : source;
    const own = here && root === source ? root : document.importNode(root, true);
    this.id = source.dataset.scan;
    this.version = source.dataset.version;
    this.back = "back" in source.dataset;
    this.came = Date.now();
    const viewer = own.querySelector("[data-viewer], [data-viewer-next]");
    this.look = JSON.parse(viewer.dataset.viewer ?? viewer.dataset.viewerNext);
    this.parts = new Map([...own.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, [...part.childNodes]]));
    if (own !== source) this.preload();
  }

  preload() {
    preload(this.look);
  }

  fill(place) {
    show(place.querySelector("[data-viewer]"), this.look);
    for (const part of place.querySelectorAll("[data-part]")) part.replaceChildren(...(this.parts.get(part.dataset.part) ?? []));
  }
}
