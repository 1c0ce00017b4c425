// What became of an answer, over the picture. A refusal stays for a while, whatever is saved after it: the reader is at another
// scan by then, and what was refused is written nowhere else.

const STAY_MS = 30_000;
const MOST = 4;

export function tellOver(place, words) {
  const now = Date.now();
  for (const node of words) if (node.matches(".error, .warning")) node.dataset.at = now;
  const kept = [...place.children].filter((node) => now - Number(node.dataset.at) < STAY_MS);
  place.replaceChildren(...[...kept, ...words].slice(-MOST));
}
