// What every page needs: an expired session or a lost connection must never look like "saved".

import { watchForms } from "./busy.js";
import { watchMenus } from "./menus.js";
import { say, sayWhatIsIn } from "./said.js";
import { watchUnsent } from "./unsent.js";

const messages = document.getElementById("messages");

function tell(text) {
  const place = document.querySelector("[data-saved]") ?? messages;
  const notice = document.createElement("p");
  notice.className = "notice error";
  notice.textContent = text;
  place.replaceChildren(notice);
  say(text);
}

document.body.addEventListener("htmx:sendError", () => tell("Not saved: the connection is lost. Try again."));

document.body.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  const why = status === 403 ? "you may not do this, or the page was open for too long" : `the server answered ${status}`;
  tell(`Not done: ${why}. Reload the page and try again.`);
});

document.body.addEventListener("htmx:beforeSwap", (event) => {
  // The answer to a request without a session is the login page; it must not land inside this one.
  if (new URL(event.detail.xhr.responseURL, location.href).pathname.startsWith("/login")) {
    event.detail.shouldSwap = false;
    if (event.detail.requestConfig.verb === "get") location.reload();
    else tell("Not saved: you were signed out. Copy what you have written, then reload the page and log in.");
  }
});

// On the document: a form that htmx brings in later is asked about as well.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

watchMenus();
watchForms();
watchUnsent(document.body.dataset.user);
sayWhatIsIn(document.body);
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.elt instanceof Element) sayWhatIsIn(event.detail.elt);
});

// What is wider than its place can be scrolled by keyboard as well, where nothing in it takes the focus.
function letScroll() {
  for (const wrap of document.querySelectorAll(".table-wrap:not([tabindex])")) {
    if (wrap.scrollWidth > wrap.clientWidth + 1) wrap.tabIndex = 0;
  }
}
letScroll();
window.addEventListener("resize", letScroll, { passive: true });
document.body.addEventListener("htmx:afterSettle", letScroll);

// Times on pages are those of the reader's clock (core/http/localities.py).
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes(`time_zone=${zone}`)) {
  const safe = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `time_zone=${zone}; path=/; max-age=31536000; samesite=lax${safe}`;
}
