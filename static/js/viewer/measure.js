// Lengths and angles on a scan. Pure. Points are those of the picture with square pixels; `facts` say how large a pixel is.

// Millimetres of one step right and one down, and where that holds; null where nobody knows.
export function scaleAt(picture, points) {
  const { facts, size } = picture;
  const across = facts.file_columns / size.width;
  const down = facts.file_rows / size.height;
  const region = (facts.regions ?? []).find(({ corners }) => (
    corners.every((corner) => corner !== null)
    && points.every(({ x, y }) => (
      x * across >= corners[0] && y * down >= corners[1] && x * across <= corners[2] + 1 && y * down <= corners[3] + 1))));
  if (region) return { x: region.column * across, y: region.row * down, at: "patient", source: "region" };
  if (facts.regions?.length > 1 || !facts.spacing) return null;
  const { row, column, at, source } = facts.spacing;
  return { x: column * across, y: row * down, at, source };
}

function way(from, to, scale) {
  return [(to.x - from.x) * (scale?.x ?? 1), (to.y - from.y) * (scale?.y ?? 1)];
}

// {value, unit, at, source}: in pixels of the file where nobody knows how large one is.
export function length(picture, [from, to]) {
  const scale = scaleAt(picture, [from, to]);
  if (scale) return { value: Math.hypot(...way(from, to, scale)), unit: "mm", at: scale.at, source: scale.source };
  const { facts, size } = picture;
  const pixels = { x: facts.file_columns / size.width, y: facts.file_rows / size.height };
  return { value: Math.hypot(...way(from, to, pixels)), unit: "px", at: "", source: "" };
}

// Degrees between the two arms that meet at the second point. Angles of square pixels are those of the patient.
export function angle(picture, [from, corner, to]) {
  const scale = scaleAt(picture, [from, corner, to]);
  const [ax, ay] = way(corner, from, scale);
  const [bx, by] = way(corner, to, scale);
  const found = Math.abs(Math.atan2(ax * by - ay * bx, ax * bx + ay * by));
  return { value: (found * 180) / Math.PI, unit: "°", at: "", source: "" };
}
