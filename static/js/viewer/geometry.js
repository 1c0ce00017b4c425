// Where a picture lies in its pane. Pure. A view: `scale` (pixels of the screen to one of the picture), `x` and `y` (the point of the
// picture that lies in the middle of the pane), `turn` (quarters, clockwise), `mirror` (left is right, after turning).
// A size: {width, height} of the picture with square pixels; a pane: {width, height} on the screen.

const COSINE = [1, 0, -1, 0];
const SINE = [0, 1, 0, -1];
const MOST = 16;

export const straight = { turn: 0, mirror: false };

// As the picture stands on the screen.
export function turned(size, view) {
  return view.turn % 2 ? { width: size.height, height: size.width } : size;
}

export function fitting(size, pane, view = straight) {
  const { width, height } = turned(size, view);
  return Math.min(pane.width / width, pane.height / height);
}

export function fitted(size, pane, view = straight) {
  return {
    turn: view.turn, mirror: view.mirror, scale: fitting(size, pane, view), x: size.width / 2, y: size.height / 2,
  };
}

function forth(view, x, y) {
  const across = COSINE[view.turn] * x - SINE[view.turn] * y;
  return { x: view.mirror ? -across : across, y: SINE[view.turn] * x + COSINE[view.turn] * y };
}

function back(view, x, y) {
  const across = view.mirror ? -x : x;
  return { x: COSINE[view.turn] * across + SINE[view.turn] * y, y: COSINE[view.turn] * y - SINE[view.turn] * across };
}

export function toScreen(view, pane, point) {
  const { x, y } = forth(view, point.x - view.x, point.y - view.y);
  return { x: pane.width / 2 + x * view.scale, y: pane.height / 2 + y * view.scale };
}

export function toPicture(view, pane, point) {
  const { x, y } = back(view, (point.x - pane.width / 2) / view.scale, (point.y - pane.height / 2) / view.scale);
  return { x: view.x + x, y: view.y + y };
}

// A picture that is larger than its pane leaves no gap at its edges; a smaller one stays in the middle.
export function bounded(view, size, pane) {
  const least = Math.min(fitting(size, pane, view), 1);
  const scale = Math.min(Math.max(view.scale, least), Math.max(MOST, least));
  const room = turned(pane, view);
  return {
    ...view, scale, x: within(view.x, size.width, room.width / scale), y: within(view.y, size.height, room.height / scale),
  };
}

function within(middle, length, seen) {
  return seen >= length ? length / 2 : Math.min(Math.max(middle, seen / 2), length - seen / 2);
}

// The point of the picture under `at` stays there.
export function zoomed(view, size, pane, factor, at) {
  const wanted = bounded({ ...view, scale: view.scale * factor }, size, pane);
  const point = toPicture(view, pane, at);
  const away = back(view, (at.x - pane.width / 2) / wanted.scale, (at.y - pane.height / 2) / wanted.scale);
  return bounded({ ...wanted, x: point.x - away.x, y: point.y - away.y }, size, pane);
}

export function panned(view, size, pane, dx, dy) {
  const { x, y } = back(view, dx / view.scale, dy / view.scale);
  return bounded({ ...view, x: view.x - x, y: view.y - y }, size, pane);
}

// The same part of another picture of the same scene, such as one with more pixels.
export function carried(view, from, to) {
  const factor = to.width / from.width;
  return { ...view, scale: view.scale / factor, x: view.x * factor, y: (view.y * to.height) / from.height };
}

// The rectangle of the pane that the picture covers, in whole pixels.
export function covered(view, size, pane) {
  const one = toScreen(view, pane, { x: 0, y: 0 });
  const other = toScreen(view, pane, { x: size.width, y: size.height });
  const left = Math.max(0, Math.floor(Math.min(one.x, other.x) + 0.01));
  const top = Math.max(0, Math.floor(Math.min(one.y, other.y) + 0.01));
  const right = Math.min(pane.width, Math.ceil(Math.max(one.x, other.x) - 0.01));
  const bottom = Math.min(pane.height, Math.ceil(Math.max(one.y, other.y) - 0.01));
  return { left, top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
}

// For a canvas or an element of the picture's own size: what `transform()` takes.
export function matrix(view, pane) {
  const across = forth(view, view.scale, 0);
  const down = forth(view, 0, view.scale);
  const origin = toScreen(view, pane, { x: 0, y: 0 });
  return [across.x, across.y, down.x, down.y, origin.x, origin.y];
}
