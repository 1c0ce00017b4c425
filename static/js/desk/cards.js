// A scan as the server sent it: the parts of the page that are about it, with its picture decoded before it is shown.

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
    this.parts = new Map([...own.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, [...part.childNodes]]));
    if (own !== source) this.ahead = pictures(this.parts.get("picture")).map((img) => img.decode().catch(() => {}));
  }

  fill(place) {
    for (const part of place.querySelectorAll("[data-part]")) part.replaceChildren(...(this.parts.get(part.dataset.part) ?? []));
    // The viewer takes what is new in the page into its hands.
    place.querySelector("[data-part=picture]")?.dispatchEvent(new CustomEvent("htmx:afterSwap", { bubbles: true }));
  }
}

function pictures(nodes) {
  return (nodes ?? []).flatMap((node) => (node instanceof Element ? [...node.querySelectorAll("img")] : []));
}

// When the picture of this part can be seen, or will never be.
export async function pictured(part) {
  const found = part ? pictures([...part.childNodes]).slice(0, 1) : [];
  await Promise.all(found.map((img) => img.decode().catch(() => {})));
}
