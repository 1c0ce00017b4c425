// Ticking many scans: shift-click ticks all between, a button ticks the page, a counter says how many.

const form = document.querySelector("[data-pick]");

if (form) {
  const boxes = [...form.querySelectorAll("input[name=images]")];
  const counter = form.querySelector("[data-pick-count]");
  const all = form.querySelector("[data-pick-all]");
  let last = null;

  const count = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    counter.textContent = ticked ? `${ticked} ticked` : "";
  };

  boxes.forEach((box, index) => {
    box.addEventListener("click", (event) => {
      if (event.shiftKey && last !== null) {
        const [from, to] = [Math.min(last, index), Math.max(last, index)];
        boxes.slice(from, to + 1).forEach((between) => { between.checked = box.checked; });
      }
      last = index;
      count();
    });
  });
  // Enter would send the form, with none of its decisions, and the ticks would be gone.
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && boxes.includes(event.target)) event.preventDefault();
  });
  all.addEventListener("click", () => {
    const tick = boxes.some((box) => !box.checked);
    boxes.forEach((box) => { box.checked = tick; });
    count();
  });
  all.hidden = false;
}
