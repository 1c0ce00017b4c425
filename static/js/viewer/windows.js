// From values to grey: windows, and those that are usual for a modality. Pure but for `usual`, which is a table.

// Centre and width in Hounsfield units.
export const USUAL = {
  CT: [
    { name: "soft", centre: 40, width: 400 }, { name: "lung", centre: -600, width: 1500 },
    { name: "bone", centre: 400, width: 1800 }, { name: "brain", centre: 40, width: 80 },
    { name: "mediastinum", centre: 50, width: 350 }, { name: "liver", centre: 60, width: 160 },
    { name: "stroke", centre: 35, width: 40 },
  ],
};

// As the page shows the scan.
export function own(facts) {
  const [black, white] = facts.window;
  return { centre: (black + white) / 2, width: Math.max(Math.abs(white - black), 1e-6) };
}

// The grey level of each pixel value, 0 to 255, as numpy.rint(numpy.clip(…)) has it. `facts`: of the pixels.
export function levels(facts, { centre, width }, { inverted = false, count = 65_536 } = {}) {
  const { slope, intercept, padding } = facts;
  const [black, white] = facts.window;
  const backwards = black > white !== inverted;
  const low = centre - width / 2;
  const table = new Uint8ClampedArray(count); // rounds half to even, and clips
  for (let pixel = 0; pixel < count; pixel += 1) table[pixel] = ((pixel * slope + intercept - low) / width) * 255;
  if (backwards) for (let pixel = 0; pixel < count; pixel += 1) table[pixel] = 255 - table[pixel];
  if (padding) table.fill(0, Math.max(0, padding[0]), Math.max(0, padding[1] + 1));
  return table;
}

// Four bytes of a canvas at once.
export function words(table) {
  const found = new Uint32Array(table.length);
  for (let pixel = 0; pixel < table.length; pixel += 1) found[pixel] = 0xff000000 | (table[pixel] * 0x010101);
  return found;
}

// The window between two shares of all values, padding left out: 0 and 1 are the darkest and the brightest.
export function between(picture, from, to) {
  const { data, facts } = picture;
  const counts = new Uint32Array(65_536);
  const every = Math.max(1, Math.floor(data.length / 200_000)) | 1;
  let total = 0;
  for (let at = 0; at < data.length; at += every) {
    if (facts.padding && data[at] >= facts.padding[0] && data[at] <= facts.padding[1]) continue;
    counts[data[at]] += 1;
    total += 1;
  }
  const low = rank(counts, from * (total - 1));
  const high = rank(counts, to * (total - 1));
  const ends = [low, Math.max(high, low + 1)].map((pixel) => pixel * facts.slope + facts.intercept);
  return { centre: (ends[0] + ends[1]) / 2, width: Math.abs(ends[1] - ends[0]) };
}

function rank(counts, wanted) {
  let seen = 0;
  for (let pixel = 0; pixel < counts.length; pixel += 1) {
    seen += counts[pixel];
    if (seen > wanted) return pixel;
  }
  return 0;
}

// A drag of the length of the pane changes the width by the range of values, and the centre by half of it.
export function dragged(start, range, dx, dy, pane) {
  const width = start.width + (dx / pane.width) * Math.max(range, start.width);
  const centre = start.centre + (dy / pane.height) * 0.5 * Math.max(range, start.width);
  return { centre, width: Math.max(width, range / 4096, 1e-6) };
}
