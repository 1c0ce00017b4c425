// Pictures as the viewer holds them: fetched once, unpacked, and kept while there is room. A picture has `facts` (what
// GET /api/v1/images/{id}/pixels/ says of them) and either `data` (16 bits) or `image` (8 bits, drawn by the browser).

import { levelFor } from "./sampling.js";

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

// The values of a grey picture of 8 bits, so that its window and its place change as quickly as those of a deep one.
export function greyOf(picture) {
  if (picture.data || picture.isColour) return;
  const { width, height, image } = picture;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  const colours = context.getImageData(0, 0, width, height).data;
  const data = new Uint16Array(width * height);
  for (let at = 0, from = 0; at < data.length; at += 1, from += 4) {
    const grey = colours[from];
    if (grey !== colours[from + 1] || grey !== colours[from + 2]) {
      picture.isColour = true;
      return;
    }
    data[at] = grey;
  }
  picture.data = data;
}

async function fetched(address) {
  const answer = await fetch(address, { headers: { Accept: "*/*" } });
  if (!answer.ok || answer.redirected) throw new NotShown(`${answer.status}`);
  const facts = { ...PLAIN, ...JSON.parse(answer.headers.get("Pixel-Facts")) };
  const { columns: width, rows } = facts;
  const size = { width, height: rows * facts.aspect };
  if (facts.kind === "grey16") {
    const data = unpacked(new Uint8Array(await answer.arrayBuffer()), width, rows);
    const picture = { facts, data, width, height: rows, size, bytes: 2.7 * data.length };
    levelFor(picture, 0.25); // what a first look needs is there before it is wanted
    return picture;
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

// Those that were wanted last stay.
function makeRoom() {
  let total = 0;
  for (const [address, { bytes }] of [...held].toReversed()) {
    total += bytes;
    if (total > ROOM && total > bytes) held.delete(address);
  }
}

async function settle(entry, address) {
  try {
    entry.bytes = (await entry.work).bytes;
    makeRoom();
  } catch {
    held.delete(address); // whoever waits for it hears why
  }
}

function keep(address, work) {
  const entry = { work, bytes: 0 };
  held.set(address, entry);
  settle(entry, address);
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
