// What a page of many answers tells, one thing at a time; but what the server refused stays for a while, whatever is saved after it.

const STAY_MS = 20_000;
const MOST = 3;

function stays(node) {
  return Date.now() - Number(node.dataset.at) < STAY_MS;
}

function noticed(text, tone, isOfServer) {
  const notice = document.createElement("p");
  notice.className = `notice ${tone}`;
  notice.textContent = text;
  if (isOfServer && tone === "error") notice.dataset.at = Date.now();
  return notice;
}

// What became of those scans of many that were refused.
export function refusals(results) {
  return results.map((result) => `${result.image}: ${result.detail}`).join(" ");
}

// Of a form that has the sentences, as data-said-name with %n and %c.
export class Told {
  constructor(form, place) {
    Object.assign(this, { form, place });
  }

  // The sentence of that name, or one that the server said.
  say(what = "", tone = "info", values = {}) {
    const known = this.form.dataset[`said${what.charAt(0).toUpperCase()}${what.slice(1)}`];
    const text = (known ?? what).replace(/%([nc])/g, (_, name) => values[name] ?? "");
    const kept = [...this.place.children].filter((node) => stays(node) && node.textContent !== text);
    const fresh = text ? [noticed(text, tone, known === undefined)] : [];
    this.place.replaceChildren(...kept.slice(1 - MOST), ...fresh);
  }
}
