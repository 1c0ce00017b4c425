// A key presses the button that names it (data-key). Nothing happens while somebody writes, or with a modifier held. A slider
// or a tick that has the focus takes no letters: what was touched last must not switch the keys off.

const TYPING = "textarea, select, [contenteditable], input:not([type=range], [type=checkbox], [type=radio])";

let pointed = null;

document.addEventListener("keydown", (event) => {
  pointed = null;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.closest(TYPING)) return;
  const target = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!target || target.disabled) return;
  event.preventDefault();
  target.click();
});

// Letters choose in a list that has the focus. Whoever chose with the pointer is done with it, and may go on with the keys.
document.addEventListener("pointerdown", (event) => { pointed = event.target; });
document.addEventListener("change", (event) => {
  if (event.target.matches("select") && event.target === pointed) event.target.blur();
});
