// The size of thumbnails, kept as the person's preference.
import { call } from "./request.js";

const slider = document.querySelector("[data-sizes]");
const list = document.querySelector("[data-sized]");

if (slider && list) {
  const sizes = slider.dataset.sizes.split(",");
  const input = slider.querySelector("input");
  const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
  let timer;

  const said = () => input.setAttribute("aria-valuetext", `${sizes[input.value]} px`);
  input.addEventListener("input", () => {
    for (const size of sizes) list.classList.toggle(`size-${size}`, size === sizes[input.value]);
    said();
    clearTimeout(timer);
    timer = setTimeout(() => {
      const body = JSON.stringify({ thumbnail_size: Number(sizes[input.value]) });
      const headers = { "Content-Type": "application/json" };
      // A size that was not kept is set again next time.
      call("PATCH", slider.dataset.preferences, { token, body, headers }).catch(() => {});
    }, 600);
  });
  said();
  slider.hidden = false;
}
