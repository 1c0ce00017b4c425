// One line of the table of what was sent: the file's name, how far it is or what became of it, and the answer.

function element(name, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function anchor(text, href) {
  const link = element("a", text);
  link.href = href;
  return link;
}

function pressable(text, pressed) {
  const button = element("button", text, "small");
  button.type = "button";
  button.addEventListener("click", pressed);
  return button;
}

// `say`: a word of the page in the reader's language.
export function addLine(table, fileName, say) {
  const row = table.insertRow();
  row.insertCell().append(fileName);
  const bar = element("progress");
  bar.max = 1;
  bar.value = 0;
  const state = row.insertCell();
  state.append(bar);
  const answer = row.insertCell();

  return {
    progress(share) {
      bar.value = share;
    },

    // A place to say why it waits, and a button to cancel it.
    stoppable(stop) {
      const note = element("span");
      answer.replaceChildren(note, pressable(say("cancel"), stop));
      return (why) => { note.textContent = why && `${why} ${say("resumes")} `; };
    },

    // `tone`: good, care or bad; `note`: what else there is to say, or to do.
    succeeded(outcome, text, href, { tone = "good", note = "" } = {}) {
      state.replaceChildren(element("span", outcome, `badge ${tone}`));
      answer.replaceChildren(anchor(text, href), note ? ` ${note}` : "");
    },

    // A ZIP is here; what becomes of it is followed.
    working(outcome, text, href) {
      const said = element("span", outcome, "badge care");
      bar.value = 0;
      state.replaceChildren(said, bar);
      answer.replaceChildren(anchor(text, href));
    },

    refused(why, again) {
      state.replaceChildren(element("span", say("refused"), "badge bad"));
      answer.replaceChildren(element("span", `${why} `));
      if (again) answer.append(pressable(say("again"), again));
    },

    reset() {
      bar.value = 0;
      state.replaceChildren(bar);
      answer.replaceChildren();
    },
  };
}
