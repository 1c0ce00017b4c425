// One line of the table of what was sent: the file's name, how far it is or what became of it, and the answer.

function element(name, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function pressable(text, pressed) {
  const button = element("button", text, "small");
  button.type = "button";
  button.addEventListener("click", pressed);
  return button;
}

export function addLine(table, fileName) {
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
      answer.replaceChildren(note, pressable("Cancel", stop));
      return (why) => { note.textContent = why && `${why} It resumes by itself. `; };
    },

    succeeded(outcome, text, href) {
      state.replaceChildren(element("span", outcome, `badge ${outcome === "created" ? "good" : "care"}`));
      const link = element("a", text);
      link.href = href;
      answer.replaceChildren(link);
    },

    refused(why, again) {
      state.replaceChildren(element("span", "refused", "badge bad"));
      answer.replaceChildren(element("span", `${why} `));
      if (again) answer.append(pressable("Try again", again));
    },

    reset() {
      bar.value = 0;
      state.replaceChildren(bar);
      answer.replaceChildren();
    },
  };
}
