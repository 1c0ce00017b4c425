// What the keyboard does in the fields of a desk. Enter in a text never saves; Escape leaves it.

const TEXTS = "textarea, input[type=search], input[type=text]";

export function watchFields(root) {
  root.addEventListener("keydown", (event) => {
    // A key held down on a button would answer scan after scan.
    if (event.repeat && event.target.matches("button, summary") && ["Enter", " "].includes(event.key)) event.preventDefault();
    if (event.key === "Escape") escape(event);
    if (event.target.matches("[data-find]")) findKey(event);
    if (event.target.matches("[data-classes] button")) arrow(event);
  });
  root.addEventListener("input", (event) => {
    if (event.target.matches("[data-find]")) narrow(event.target);
  });
  root.addEventListener("toggle", (event) => {
    if (event.target.matches("[data-reasons]") && event.target.open) event.target.querySelector(".choices button").focus();
  }, true);
  root.addEventListener("desk:fresh", (event) => {
    const find = event.target.querySelector("[data-find]");
    if (!find) return;
    narrow(find);
    // Whoever chose by typing goes on typing.
    if (find.dataset.used && event.target.contains(document.activeElement)) find.focus();
    delete find.dataset.used;
  }, true);
}

function escape(event) {
  const box = event.target.closest("[data-reasons][open]");
  if (box) {
    box.open = false;
    box.querySelector("summary").focus();
  } else if (event.target.matches(TEXTS)) {
    if (event.target.matches("[data-find]")) {
      event.target.value = "";
      narrow(event.target);
    }
    event.target.blur();
  }
}

function shown(find) {
  return [...find.form.querySelectorAll("[data-classes] button")].filter((button) => !button.hidden);
}

function plain(text) {
  return text.normalize("NFKD").toLowerCase().trim();
}

// Only the classes that have what was typed in their name; the one that is meant beyond doubt is marked.
function narrow(find) {
  const wanted = plain(find.value);
  for (const button of find.form.querySelectorAll("[data-classes] button")) {
    const name = plain(button.lastChild.textContent);
    button.hidden = !name.includes(wanted);
    button.classList.toggle("meant", wanted !== "" && name === wanted);
  }
  const left = shown(find);
  if (wanted && left.length === 1) left[0].classList.add("meant");
}

function findKey(event) {
  if (!["Enter", "ArrowDown"].includes(event.key)) return;
  event.preventDefault();
  const left = shown(event.target);
  const target = event.key === "Enter" ? left.find((button) => button.classList.contains("meant")) : left[0];
  if (!target) return;
  event.target.dataset.used = "yes";
  target.focus();
}

function arrow(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const all = [...event.target.parentElement.querySelectorAll("button:not([hidden], :disabled)")];
  const next = all[all.indexOf(event.target) + step];
  if (next) next.focus();
  else if (step < 0) event.target.form.querySelector("[data-find]")?.focus();
}
