// The cut-off of a version's page, moved without asking the server: every cut-off's counts and intervals came with the page.
// Without this script the form of the same section asks for one cut-off at a time.

const FIGURES = ["sensitivity", "specificity", "ppv", "npv"];
const CELLS = ["tp", "fn", "fp", "tn"];

const filled = (words, values) => words.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// As the server writes it: what is not quite all or nothing is never rounded to it.
function share(value) {
  const whole = Math.round(value * 100);
  return `${value > 0 && value < 1 ? Math.min(Math.max(whole, 1), 99) : whole} %`;
}

function figure(entry, { few, range }) {
  if (!entry) return few;
  const [value, low, high] = entry;
  if (low === null) return share(value);
  return filled(range, { value: share(value), low: share(low), high: share(high) });
}

const counts = (row) => Object.fromEntries(CELLS.map((cell, place) => [cell, row[place]]));

function mark(section, cutoff) {
  for (const old of section.querySelectorAll(".mark.here")) old.classList.remove("here");
  for (const plot of section.querySelectorAll(".plot")) {
    // Cut-offs that give the same point share its dot: the nearest one at or below.
    const dots = [...plot.querySelectorAll("a.mark")].map((dot) => {
      const at = Number(new URL(dot.getAttribute("href"), location.href).searchParams.get("cutoff"));
      return { dot, away: Math.abs(at - cutoff) };
    });
    dots.sort((one, other) => one.away - other.away);
    dots[0]?.dot.classList.add("here");
  }
}

function enliven(section) {
  const rows = JSON.parse(section.dataset.cutoffs);
  const slider = section.querySelector("input[name=cutoff]");
  const now = section.querySelector("[data-now]");
  const tell = section.querySelector("[data-tell]");
  const joint = section.dataset.errors.includes("?") ? "&" : "?";
  function show() {
    const row = rows[Math.round(Number(slider.value) * (rows.length - 1))];
    const cutoff = Number(slider.value).toFixed(2);
    now.textContent = cutoff;
    FIGURES.forEach((name, place) => {
      section.querySelector(`[data-figure=${name}]`).textContent = figure(row[CELLS.length + place], section.dataset);
    });
    for (const [cell, count] of Object.entries(counts(row))) {
      const link = section.querySelector(`[data-cell=${cell}]`);
      link.textContent = count;
      link.href = `${section.dataset.errors}${joint}cutoff=${cutoff}&cell=${cell}`;
    }
    mark(section, Number(cutoff));
    return { cutoff, ...counts(row) };
  }

  slider.addEventListener("input", show);
  // Said once the slider rests, not at every step of it.
  slider.addEventListener("change", () => (tell.textContent = filled(section.dataset.said, show())));
  const button = section.querySelector("[data-show]");
  const choice = section.querySelector("select");
  if (choice) choice.addEventListener("change", () => choice.form.requestSubmit());
  else button.hidden = true;
  show();
}

for (const section of document.querySelectorAll("[data-cutoffs]")) enliven(section);
