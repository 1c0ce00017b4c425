// What somebody has not sent yet is theirs alone: it goes when they log out, and when somebody else signs in in this tab. While only
// a session has ended it stays: whoever signs in again as the same person finds it.
const OWNED = /^(?:desk|grid):(\d+):/;
const LEFT = "left";
// A log-out that has not come through by then was called off.
const STAYED_MS = 60_000;

// `whose(owner)`: whether this person's goes.
function forget(whose) {
  for (const key of unsent()) if (whose(OWNED.exec(key)[1])) sessionStorage.removeItem(key);
}

function unsent() {
  return Object.keys(sessionStorage).filter((key) => OWNED.test(key));
}

function settle(user) {
  const left = sessionStorage.getItem(LEFT);
  sessionStorage.removeItem(LEFT);
  if (user) forget((owner) => owner !== user);
  else if (left) forget((owner) => owner === left);
}

// `user`: who is signed in; undefined for nobody.
export function watchUnsent(user) {
  try {
    settle(user);
  } catch {
    // A browser that keeps nothing has nothing to forget.
    return;
  }
  let leaving = false;
  document.addEventListener("submit", ({ target, defaultPrevented }) => {
    if (!target.matches("[data-log-out]") || defaultPrevented) return;
    leaving = true;
    // Whoever was asked whether to leave, and has stayed, goes on.
    setTimeout(() => (leaving = false), STAYED_MS);
  });
  // Whether they are logged out tells only the next page.
  window.addEventListener("pagehide", () => leaving && user && sessionStorage.setItem(LEFT, user));
  ask();
}

function ask() {
  const form = document.querySelector("[data-log-out]");
  form?.addEventListener("submit", () => {
    if (unsent().length) form.dataset.confirm = form.dataset.unsaved;
    else delete form.dataset.confirm;
  });
}
