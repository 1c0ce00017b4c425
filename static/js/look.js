// The quick look: a link with data-look shows its large picture in a dialog, and the page stays where it is. Each picture that is
// opened is on the trail as opened, as it is on the scan's own page.

const dialog = document.querySelector("[data-look-dialog]");
let at = null;
let turn = 0;

const links = () => [...document.querySelectorAll("[data-look]")].filter((link) => link.getClientRects().length);
const part = (name) => dialog.querySelector(`[data-look-${name}]`);

// The viewer of every page, in the dialog: it keeps its window and its tool from one scan to the next.
async function paint(address) {
  turn += 1;
  const mine = turn;
  try {
    const [viewer, answer] = await Promise.all([import("./viewer/main.js"), fetch(address)]);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [fresh, here] = [page.querySelector("[data-viewer]"), part("room").querySelector("[data-viewer]")];
    if (mine !== turn) return;
    if (!fresh) location.reload();
    else if (here) viewer.show(here, JSON.parse(fresh.dataset.viewer));
    else {
      part("room").append(document.adoptNode(fresh));
      viewer.prepare(document);
    }
  } catch {
    // Without a connection the page stays as it is; the next try asks again.
  }
}

export const look = {
  get open() {
    return Boolean(dialog?.open);
  },

  // The link whose picture is shown.
  get link() {
    return this.open ? at : null;
  },

  show(link) {
    if (!dialog || !link) return;
    at = link;
    const all = links();
    part("title").textContent = link.dataset.code;
    part("place").textContent = `${all.indexOf(link) + 1} / ${all.length}`;
    part("page").href = link.href;
    this.mark();
    paint(link.dataset.look);
    for (const button of dialog.querySelectorAll("[data-look-step]")) {
      button.disabled = !all[all.indexOf(link) + Number(button.dataset.lookStep)];
    }
    if (!dialog.open) dialog.showModal();
  },

  step(by) {
    const all = links();
    this.show(all[all.indexOf(at) + by] ?? null);
  },

  // Whether the scan that is shown is chosen.
  mark() {
    part("chosen").hidden = !at?.closest("li, tr")?.querySelector("input[name=images]")?.checked;
  },

  close() {
    dialog?.close();
  },
};

if (dialog) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-look]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    look.show(link);
  });
  dialog.addEventListener("click", (event) => {
    const step = event.target.closest("[data-look-step]");
    if (step) look.step(Number(step.dataset.lookStep));
    // On the ground beside the dialog, or its own button.
    if (event.target === dialog || event.target.closest("[data-look-close]")) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    // While the picture itself has the focus, the keys are the viewer's.
    if (event.target.closest("[data-place], input, select, textarea")) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const box = at?.closest("li, tr")?.querySelector("input[name=images]");
    if (by) look.step(by);
    else if (event.key === " " && box && !event.target.closest("button, a")) box.click();
    else return;
    event.preventDefault();
    look.mark();
  });
  dialog.addEventListener("close", () => {
    const box = at?.closest("li, tr")?.querySelector("input[name=images]");
    (box ?? at)?.focus();
  });
  document.addEventListener("keydown", (event) => {
    const box = event.target.closest("input[name=images]");
    if (event.key === "Enter" && box) look.show(box.closest("li, tr")?.querySelector("[data-look]"));
  });
}
