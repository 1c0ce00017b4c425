// A form that was sent shows that it is on its way, and cannot be sent twice. Forms of htmx say so themselves.

const LONGEST_MS = 20_000;

function free(button) {
  button.disabled = false;
  button.removeAttribute("aria-busy");
}

export function watchForms() {
  // On the window, after every other listener: what was not confirmed is not on its way.
  window.addEventListener("submit", (event) => {
    const button = event.submitter;
    const leaves = event.target.method === "post" && event.target.target !== "_blank";
    if (event.defaultPrevented || !leaves || !(button instanceof HTMLButtonElement)) return;
    button.setAttribute("aria-busy", "true");
    // Not at once: a disabled button's name and value would not be sent.
    setTimeout(() => (button.disabled = true));
    // The answer may be a file, and the page stays.
    setTimeout(() => free(button), LONGEST_MS);
  });

  // Back from the next page, which the browser may have kept as it was.
  window.addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[aria-busy=true]")) free(button);
  });
}
