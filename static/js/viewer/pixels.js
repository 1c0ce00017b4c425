// Pictures as the viewer holds them: fetched once, unpacked, and kept while there is room. A picture has `facts` (what
// GET /api/v1/images/{id}/pixels/ says of them) and either `data` (16 bits) or `image` (8 bits, drawn by the browser).

const ROOM = 400 * 2 ** 20;
const held = new Map();

const PLAIN = { slope: 1, intercept: 0, window: [0, 255], padding: null, aspect: 1, windows: [], spacing: null, regions: [] };

export class NotShown extends Error {}

// 16-bit pixels from differences to the left neighbour, in two halves.
export function unpacked(bytes, columns, rows) {
  const count = columns * rows;
  if (bytes.length !== 2 * count) throw new NotShown("The picture came incomplete.");
  const pixels = new Uint16Array(count);
  for (let at = 0; at < count;) {
    let value = 0;
    for (const end = at + columns; at < end; at += 1) {
      const zigzag = bytes[at] | (bytes[count + at] << 8);
      value = (value + ((zigzag >>> 1) ^ -(zigzag & 1))) & 0xffff;
      pixels[at] = value;
    }
  }
  return pixels;
}

async function fetched(address) {
  const answer = await fetch(address, { headers: { Accept: "*/*" } });
  if (!answer.ok || answer.redirected) throw new NotShown(`${answer.status}`);
  const facts = { ...PLAIN, ...JSON.parse(answer.headers.get("Pixel-Facts")) };
  const { columns: width, rows } = facts;
  const size = { width, height: rows * facts.aspect };
  if (facts.kind === "grey16") {
    const data = unpacked(new Uint8Array(await answer.arrayBuffer()), width, rows);
    return { facts, data, width, height: rows, size, bytes: 2.7 * data.length };
  }
  const image = await createImageBitmap(await answer.blob(), { colorSpaceConversion: "none" });
  return { facts, image, width, height: rows, size, bytes: 4 * width * rows };
}

// What an <img> shows: 8 bits, at most 2,048 pixels a side. `told`: file_columns, file_rows, spacing, is_grey, as far as the page knows.
export async function ofImage(image, told) {
  await image.decode();
  const { naturalWidth: width, naturalHeight: height } = image;
  const facts = { ...PLAIN, kind: "shown", columns: width, rows: height, file_columns: width, file_rows: height, ...told };
  return { facts, image, width, height, size: { width, height }, bytes: 4 * width * height };
}

function ofAddress(address, told) {
  const image = new Image();
  image.src = address;
  return ofImage(image, told);
}

function keep(address, work) {
  const entry = { work, bytes: 0 };
  held.delete(address);
  held.set(address, entry);
  work.then((picture) => {
    entry.bytes = picture.bytes;
    let total = 0;
    for (const [other, { bytes }] of [...held].reverse()) {
      total += bytes;
      if (total > ROOM && other !== address) held.delete(other);
    }
  }, () => held.delete(address));
  return work;
}

// `deep`: 16 bits may be there (the address of pixels); else it is the address of a picture.
export function load(address, { deep = false, told = {} } = {}) {
  const known = held.get(address);
  if (known) {
    held.delete(address);
    held.set(address, known);
    return known.work;
  }
  return keep(address, deep ? fetched(address) : ofAddress(address, told));
}

export function isHeld(address) {
  return (held.get(address)?.bytes ?? 0) > 0;
}

// A look that ended in nothing is said when the picture is asked for again, not now.
export function preload(address, options) {
  load(address, options).catch(() => {});
}
