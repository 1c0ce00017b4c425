// One place whose words are read aloud. It never leaves the page, so nothing that htmx replaces can swallow them.

const PLACES = "#messages, [data-saved]";
const said = document.getElementById("said");
let due;

export function say(text) {
  const words = text.replaceAll(/\s+/g, " ").trim();
  if (!said || !words) return;
  // The same words again are only heard when they were away in between.
  said.textContent = "";
  clearTimeout(due);
  due = setTimeout(() => (said.textContent = words), 80);
}

// What a page, or a new part of it, says to the eye is said to the ear as well.
export function sayWhatIsIn(part) {
  const places = part.matches(PLACES) ? [part] : [...part.querySelectorAll(PLACES)];
  say(places.map((place) => place.textContent).join(" "));
}
