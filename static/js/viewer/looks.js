// Which picture a page means (images/looking.py), and where it is.
import { isHeld, load, ofImage, preload } from "./pixels.js";

export function told(look) {
  return { file_columns: look.columns, file_rows: look.rows, spacing: look.spacing };
}

// [address, options] of a frame; of the picture that is shown first where none is named.
export function addressOf(look, frame = 0) {
  const other = frame && frame !== look.frame;
  if (look.deep) {
    const query = new URLSearchParams(frame || look.frame ? { frame: frame || look.frame } : {});
    if (other) query.set("same", "true");
    return [query.size ? `${look.pixels}?${query}` : look.pixels, { deep: true }];
  }
  const address = other ? `${look.shown.replace(/rendition\/$|frames\/\d+\/$/, `frames/${frame}/`)}?same=true` : look.shown;
  return [address, { told: told(look) }];
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
