// The project's guide beside the picture: one key opens and closes it, and reading goes on.

export function watchGuide(root) {
  const dialog = root.querySelector("[data-guide]");
  const text = dialog?.querySelector("[data-guide-text]");
  if (!text) return;

  async function open() {
    dialog.show();
    if (text.childElementCount) return;
    try {
      const answer = await fetch(dialog.dataset.guide, { headers: { "HX-Request": "true" } });
      if (!answer.ok || !new URL(answer.url).pathname.startsWith(dialog.dataset.guide)) throw new Error();
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      text.replaceChildren(...[...page.body.childNodes].map((node) => document.importNode(node, true)));
    } catch {
      dialog.close();
      location.assign(dialog.dataset.guide);
    }
  }

  root.addEventListener("click", (event) => {
    const link = event.target.closest("[data-open-guide]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else open();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !dialog.open) return;
    dialog.close();
    event.preventDefault();
  });
}
