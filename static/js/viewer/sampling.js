// From the scan's own pixels to those of the screen, still in their 16 bits: only what can be seen is computed. Pure.

// Half the size, by means of four: made once for each picture, so that a small view of it is no lottery of single pixels.
export function halved({ data, width, height }) {
  const wide = Math.max(1, width >> 1);
  const high = Math.max(1, height >> 1);
  const right = width > 1 ? 1 : 0;
  const below = height > 1 ? width : 0;
  const half = new Uint16Array(wide * high);
  for (let row = 0, at = 0; row < high; row += 1) {
    for (let from = 2 * row * width, end = at + wide; at < end; at += 1, from += 2) {
      half[at] = (data[from] + data[from + right] + data[from + below] + data[from + below + right] + 2) >> 2;
    }
  }
  return { data: half, width: wide, height: high };
}

// The picture at 1/2, 1/4 … of its size, as coarse as the view allows.
export function levelFor(picture, scale) {
  const wanted = Math.max(0, Math.floor(Math.log2(1 / scale) + 0.001));
  picture.levels ??= [{ data: picture.data, width: picture.width, height: picture.height }];
  while (picture.levels.length <= wanted) {
    const last = picture.levels.at(-1);
    if (last.width < 2 || last.height < 2) break;
    picture.levels.push(halved(last));
  }
  return picture.levels[Math.min(wanted, picture.levels.length - 1)];
}

// For each place along one side of the screen: where in the data the two neighbours are, and the share of the second one.
function along(count, start, step, length, stride) {
  const first = new Int32Array(count);
  const second = new Int32Array(count);
  const share = new Float32Array(count);
  for (let at = 0; at < count; at += 1) {
    const place = Math.min(Math.max(start + step * (at + 0.5) - 0.5, 0), length - 1);
    const whole = Math.min(Math.floor(place), length - 1);
    first[at] = whole * stride;
    second[at] = Math.min(whole + 1, length - 1) * stride;
    share[at] = place - whole;
  }
  return { first, second, share };
}

// `level`: one of the picture; `origin`: its point at the upper left of the rectangle; `right`, `down`: how its point moves with
// a step on the screen, along one of its own axes each.
export function sampled(level, { width, height, origin, right, down }, out) {
  const { data } = level;
  const lying = right.x !== 0;
  const columns = lying
    ? along(width, origin.x, right.x, level.width, 1)
    : along(width, origin.y, right.y, level.height, level.width);
  const rows = lying
    ? along(height, origin.y, down.y, level.height, level.width)
    : along(height, origin.x, down.x, level.width, 1);
  const { first, second, share } = columns;
  for (let row = 0, at = 0; row < height; row += 1) {
    const one = rows.first[row];
    const other = rows.second[row];
    const lower = rows.share[row];
    for (let column = 0; column < width; column += 1, at += 1) {
      const near = first[column];
      const far = second[column];
      const part = share[column];
      const above = data[one + near] + (data[one + far] - data[one + near]) * part;
      const below = data[other + near] + (data[other + far] - data[other + near]) * part;
      out[at] = above + (below - above) * lower + 0.5;
    }
  }
  return out;
}
