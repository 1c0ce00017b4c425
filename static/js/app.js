// What every page needs: an expired session or a lost connection must never look like "saved".

const messages = document.getElementById("messages");

function tell(text) {
  const place = document.querySelector("[data-saved]") ?? messages;
  const notice = document.createElement("p");
  notice.className = "notice error";
  notice.setAttribute("role", "alert");
  notice.textContent = text;
  place.replaceChildren(notice);
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
