// The heat map of a grade over the scan it is of: it follows the picture, and shows as much as its slider says.
import { matrix } from "./geometry.js";

export class Heat {
  constructor(figure, pane) {
    this.image = figure.querySelector("[data-heat]");
    if (!this.image) return;
    this.box = figure.querySelector("[data-heat-on]");
    this.more = figure.querySelector("[data-heat-more]");
    this.opacity = figure.querySelector("[data-heat-opacity]");
    pane.place.append(this.image);
    this.image.classList.add("follows");
    this.box.addEventListener("change", () => { this.more.hidden = !this.box.checked; this.follow(pane); });
    this.opacity.addEventListener("input", () => this.follow(pane));
    this.image.addEventListener("load", () => this.follow(pane));
    this.more.hidden = !this.box.checked;
  }

  // `frame`: the one that is shown; the map is of one of them.
  follow(pane, frame = 0) {
    if (!this.image || !pane.picture || !this.box.checked) return;
    this.frame = frame || this.frame;
    this.image.hidden = Boolean(this.frame && Number(this.image.dataset.heat) && this.frame !== Number(this.image.dataset.heat));
    const { width, height } = pane.picture.size;
    const { style } = this.image;
    [style.width, style.height] = [`${width}px`, `${height}px`];
    style.transform = `matrix(${matrix(pane.view, pane.pane).join(",")})`;
    style.opacity = String(Number(this.opacity.value) / 100);
  }
}
