// What the viewer says: words of the page's own language, with numbers put into them.

function short(number) {
  return Math.abs(number) >= 100 ? String(Math.round(number)) : String(Number(number.toPrecision(3)));
}

export class Words {
  constructor(figure) {
    this.known = new Map();
    for (const word of figure.querySelectorAll("[data-word]")) this.known.set(word.dataset.word, word.textContent.trim());
    this.window = figure.querySelector("[data-said-window]");
    this.buttons = new Map(["mirror", "invert"].map((name) => [name, figure.querySelector(`[data-do=${name}]`)]));
  }

  say(name, values = {}) {
    return (this.known.get(name) ?? name).replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
  }

  // The window and the size; beside it, in a badge, whatever makes the picture another one than it is.
  tell(pane, { value }) {
    const { window, view, picture, inverted } = pane;
    const percent = Math.round(view.scale * picture.size.width * 100 / picture.facts.file_columns) || 0;
    const scale = picture.facts.kind === "shown" ? percent : Math.round(view.scale * 100);
    const said = [this.say("window", { width: short(window.width), centre: short(window.centre) }), this.say("zoom", { percent: scale })];
    if (value !== null) said.push(this.say("value", { value: short(value) }));
    this.window.textContent = said.join(" · ");
    this.window.hidden = false;
    const badges = [
      view.turn && this.say("turned", { degrees: view.turn * 90 }), view.mirror && this.say("mirrored"),
      inverted && this.say("inverted"),
    ].filter(Boolean);
    this.badge(pane, badges.join(" · "));
    this.buttons.get("mirror").setAttribute("aria-pressed", String(view.mirror));
    this.buttons.get("invert").setAttribute("aria-pressed", String(inverted));
  }

  badge(pane, text) {
    if (!pane.badge) {
      pane.badge = document.createElement("p");
      pane.badge.className = "viewer-badges";
      pane.place.append(pane.badge);
    }
    pane.badge.textContent = text;
    pane.badge.hidden = !text;
  }

  measured({ value, unit, at, source }) {
    if (unit === "°") return this.say("angle", { value: value.toFixed(1) });
    if (unit === "px") return this.say("length-px", { value: value.toFixed(0) });
    const place = source === "region" ? "region" : { patient: "", detector: "detector", film: "film" }[at] ?? "unsaid";
    return this.say(place ? `length-${place}` : "length", { value: value.toFixed(1) });
  }
}
