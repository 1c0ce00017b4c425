// Where a letter is written, and is no key of the page; and where it chooses from a list.
export const WRITING =
  "textarea, [contenteditable], input:not([type=range], [type=checkbox], [type=radio], [type=button], [type=submit])";
export const TYPING = `select, ${WRITING}`;
