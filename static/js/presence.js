// Whether somebody is at the page. Who has done nothing for ten minutes, or looks at another tab, has left.

const LEFT_MS = 600_000;

// The function does `what` only while somebody is there.
export function whileHere(what) {
  let here = Date.now();
  for (const name of ["keydown", "pointerdown"]) document.addEventListener(name, () => { here = Date.now(); });
  return () => {
    if (!document.hidden && Date.now() - here < LEFT_MS) what();
  };
}
