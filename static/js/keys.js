// A key presses the button that names it (data-key), or leads to the field that does. Nothing happens while somebody writes, or
// with a modifier held. What was touched last (a slider, a tick, a list) does not switch the keys off. Who has switched letter
// keys off gets no page with this file.
import { WRITING } from "./typing.js";

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.repeat || isWritten(event)) return;
  const target = named(event.key.toLowerCase());
  if (!target) return;
  event.preventDefault();
  if (target.matches(WRITING)) target.focus();
  else target.click();
});

function isWritten({ target, ctrlKey, metaKey, altKey }) {
  return ctrlKey || metaKey || altKey || target.closest(WRITING) !== null || document.querySelector("dialog:modal") !== null;
}

// What is in an open box of reasons comes first; what is folded or hidden is not there.
function named(key) {
  const found = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].filter(isThere);
  return found.find((element) => element.closest("[data-reasons][open]")) ?? found[0];
}

function isThere(element) {
  const folded = element.closest("details:not([open])");
  return !element.disabled && !element.closest("[hidden]") && (!folded || element.parentElement === folded);
}
