// Which picture a page means (images/looking.py), and where it is.
import { isHeld, load, ofImage, preload } from "./pixels.js";

export function told(look) {
  return { file_columns: look.columns, file_rows: look.rows, spacing: look.spacing };
}

// [address, options] of a frame; of the picture that is shown first where none is named.
export function addressOf(look, frame = 0) {
  const isOther = Boolean(frame) && frame !== look.frame;
  return look.deep ? [deep(look, frame || look.frame, isOther), { deep: true }] : [shown(look, frame, isOther), { told: told(look) }];
}

function deep(look, frame, isOther) {
  const query = new URLSearchParams(frame ? { frame } : {});
  if (isOther) query.set("same", "true");
  return query.size ? `${look.pixels}?${query}` : look.pixels;
}

function shown(look, frame, isOther) {
  return isOther ? `${look.shown.replace(/(rendition|frames\/\d+)\/$/, `frames/${frame}/`)}?same=true` : look.shown;
}

// Every pixel of a picture of 8 bits that pages show smaller, with what its file says of it.
export function wholeOf(look, frame) {
  const query = new URLSearchParams({ same: "true", ...(frame ? { frame } : {}) });
  return load(`${look.pixels}?${query}`, { deep: true });
}

// `image`: the element of the page that shows it already.
export function firstPicture(look, image = null) {
  const [address, options] = addressOf(look);
  if (image && !look.deep && !isHeld(address)) return ofImage(image, told(look));
  return load(address, options);
}

export function fetchAhead(look) {
  preload(...addressOf(look));
}
