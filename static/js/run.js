// The page of a run is brought up to date every two seconds. What a person has opened stays open, and an explanation that
// is being read is not taken away.

const open = new Set();

document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "run") return;
  if (event.detail.target.querySelector(":popover-open")) {
    event.detail.shouldSwap = false;
    return;
  }
  open.clear();
  for (const part of event.detail.target.querySelectorAll("details[open][id]")) open.add(part.id);
});

document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "run") return;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
});
