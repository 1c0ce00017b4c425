// What is shown only once can be copied by a press. Without a script, or a clipboard, it is marked and copied by hand.

import { say } from "./said.js";

const text = document.querySelector("[data-copied]");
const button = document.querySelector("[data-copy]");

if (text && button && navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = button.dataset.done;
    say(button.dataset.done);
  });
}
