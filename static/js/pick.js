// Ticking many scans of a list: shift-click, arrow keys, a button for the page, a counter, and a question that names the number.
import { Picker } from "./picking.js";

const form = document.querySelector("[data-pick]");

if (form) {
  const counter = form.querySelector("[data-pick-count]");
  const all = form.querySelector("[data-pick-all]");
  const everything = form.querySelector("input[name=everything]");
  const number = (chosen) => (everything?.checked ? everything.dataset.number : String(chosen.length));

  const picker = new Picker(form.querySelector("[data-picked]") ?? form, {
    changed: (chosen) => {
      counter.textContent = number(chosen);
      form.toggleAttribute("data-choosing", chosen.length > 0);
    },
  });

  // A picture leads to its scan; while some are chosen, it chooses.
  form.addEventListener("click", (event) => {
    const link = event.target.closest("[data-choose]");
    if (!link || !form.hasAttribute("data-choosing") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    picker.toggle(link.closest("li, tr").querySelector("input[name=images]"), event.shiftKey);
  });
  form.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.ask;
    const count = number(picker.chosen);
    if (question && count !== "0" && !window.confirm(question.replace("%n", count))) event.preventDefault();
  });
  everything?.addEventListener("change", () => picker.tell());
  all.addEventListener("click", () => picker.all(picker.boxes.some((box) => !box.checked)));
  all.hidden = false;
}
