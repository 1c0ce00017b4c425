// A list kept in this tab over a reload. It goes with the tab; without storage it lives as long as the page.
export function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? [];
  } catch {
    return [];
  }
}

export function keep(name, items) {
  try {
    if (items.length) sessionStorage.setItem(name, JSON.stringify(items));
    else sessionStorage.removeItem(name);
  } catch {
    // A browser that keeps nothing: the page goes on.
  }
}
