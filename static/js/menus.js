// Menus are `details` and open without a script; with it they close again by Escape, a click elsewhere, or another one's opening.

const opened = () => document.querySelectorAll("details[data-menu][open], details.popover[open]");

function close(menu, giveFocusBack) {
  menu.open = false;
  if (giveFocusBack) menu.querySelector("summary").focus();
}

export function watchMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of opened()) if (!menu.contains(event.target)) close(menu, false);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.documentElement.classList.add("tips-off");
    for (const menu of opened()) {
      close(menu, menu.contains(document.activeElement));
      event.stopPropagation();
    }
  }, true);

  document.addEventListener("pointermove", () => document.documentElement.classList.remove("tips-off"), { passive: true });

  document.addEventListener("focusin", (event) => {
    document.documentElement.classList.remove("tips-off");
    for (const menu of opened()) if (!menu.contains(event.target)) close(menu, false);
  });

  // The light changes at the press; the form keeps it for the next page.
  document.addEventListener("submit", (event) => {
    const chosen = event.submitter;
    if (!event.target.matches("[data-theme-switch]") || !chosen) return;
    document.documentElement.dataset.theme = chosen.value;
    for (const other of event.target.querySelectorAll("button")) {
      other.setAttribute("aria-pressed", String(other.value === chosen.value));
    }
  }, true);

  // On a narrow screen the project's bar scrolls; the entry of this page is in sight.
  const bar = document.querySelector(".project-nav");
  const here = bar?.querySelector("[aria-current]");
  if (here && bar.scrollWidth > bar.clientWidth) {
    const [outer, inner] = [bar.getBoundingClientRect(), here.getBoundingClientRect()];
    bar.scrollLeft += inner.left + inner.width / 2 - (outer.left + outer.width / 2);
  }
}
