"""Whether two scans show the same picture. Pure: NumPy alone, no Django.

A 256-bit perceptual hash nominates, the pixels confirm. Why so, measured on 240 chest X-rays of 204 patients (28,680 pairs) and
on copies made of each: copies that were re-encoded (JPEG quality 20 to 95), halved or quartered differ from their source in
at most 10 bits, re-windowed ones (gamma 1.5) in at most 28, trimmed ones (1 % of each border) in at most 34; two different scans,
of one patient or of two, in at least 56. Aligned, copies correlate at 0.995 or more, different scans at 0.955 or less. Without the
alignment a shift of two pixels at full size takes six of ten copies below 0.99.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

NOMINATED: Final = 40
CONFIRMED: Final = 0.99
# The closest nominees of a scan that are looked at. A crowd of copies holds together through its closest members.
MOST_NOMINEES: Final = 64

_SIDE: Final = 128
_MARGIN: Final = 4  # left out at each border, so that a shifted picture has something to show everywhere
_ROUNDS: Final = 6
_HOPELESS: Final = 0.6  # below this at the start no small shift explains the difference
_MOST_SHIFT: Final = 3.5  # pixels of the 128: 2.7 % of the picture
_STEP: Final = 1.5
_CONVERGED: Final = 0.02
_LEAST_GAIN: Final = 0.1  # below it, one picture is not a brighter or darker version of the other

Grey = npt.NDArray[np.float32]
Hashes = npt.NDArray[np.uint64]


def hashes(texts: Sequence[str]) -> Hashes:
    """Perceptual hashes of 64 hex digits as rows of four 64-bit words."""
    return np.frombuffer(bytes.fromhex("".join(texts)), dtype=np.uint64).reshape(-1, 4)


def nominees(one: npt.NDArray[np.uint64], others: Hashes, *, limit: int = MOST_NOMINEES) -> list[tuple[int, int]]:
    """(row of `others`, Hamming distance) of those within NOMINATED bits of `one`, closest first."""
    distance = np.bitwise_count(others ^ one).sum(axis=1, dtype=np.int64)
    rows = np.flatnonzero(distance <= NOMINATED)
    order = np.lexsort((rows, distance[rows]))[:limit]
    return [(int(row), int(distance[row])) for row in rows[order]]


def likeness(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> float:
    """How alike two tiles (256 by 256, grey) are once aligned: Pearson correlation, -1 to 1.

    The larger of two: that of the values as they are, and that of their ranks, which another window or gamma does not change.
    (The ranks alone would not do: in a dark background they are noise.) 0 where a tile is flat."""
    plain = _aligned(_halved(first.astype(np.float32)), _halved(second.astype(np.float32)))
    if plain >= CONFIRMED or plain < _HOPELESS:
        return plain
    return max(plain, _aligned(_halved(_ranks(first)), _halved(_ranks(second))))


def pearson(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    """Pearson's correlation of two pictures of one shape; 0 where one of them is flat."""
    one, two = first - first.mean(), second - second.mean()
    norm = float(np.sqrt(np.vdot(one, one) * np.vdot(two, two)))
    return float(np.vdot(one, two)) / norm if norm > 0 else 0.0


def _halved(tile: Grey) -> Grey:
    halved: Grey = tile.reshape(_SIDE, 2, _SIDE, 2).mean(axis=(1, 3))
    return halved


def _ranks(tile: npt.NDArray[np.uint8]) -> Grey:
    """Each value's middle rank among the pixels: the histogram made flat."""
    counts = np.bincount(tile.ravel(), minlength=256)
    return (np.cumsum(counts) - counts / 2).astype(np.float32)[tile]


def _aligned(moving: Grey, fixed: Grey) -> float:
    """The best correlation found while shifting and stretching `moving` a little in both directions.

    Gauss-Newton on fixed = gain * moving(x + shift + stretch * x) + offset, gain and offset solved along with the rest
    (Lucas and Kanade 1981, with the brightness terms of Baker and Matthews 2004)."""
    grid = np.arange(_MARGIN, _SIDE - _MARGIN, dtype=np.float32)
    unit = (grid - (_SIDE - 1) / 2) / (_SIDE / 2)
    target = fixed[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    slopes = np.gradient(moving)
    move = np.zeros(4)  # down, right, stretch down, stretch right: pixels at the border
    best = pearson(moving, fixed)
    if best < _HOPELESS:
        return best
    for left in reversed(range(_ROUNDS)):
        rows, columns = grid + move[0] + move[2] * unit, grid + move[1] + move[3] * unit
        here, down, right = (_sampled(layer, rows, columns) for layer in (moving, *slopes))
        before, best = best, max(best, pearson(here, target))
        # Enough; or at this pace never enough (the first round has only left the margin out).
        if best >= CONFIRMED or (left < _ROUNDS - 1 and best + left * (best - before) < CONFIRMED):
            break
        step = _step(target, here, down, right, unit)
        if step is None or np.abs(step).max() < _CONVERGED:
            break
        move = np.clip(move + np.clip(step, -_STEP, _STEP), -_MOST_SHIFT, _MOST_SHIFT)
    return best


def _step(target: Grey, here: Grey, down: Grey, right: Grey, unit: Grey) -> npt.NDArray[np.float64] | None:
    """The least-squares change of shift and stretch, or None where the pictures have nothing to hold on to."""
    terms = (here, np.ones_like(here), down, right, down * unit[:, None], right * unit[None, :])
    design = np.stack([term.ravel() for term in terms], axis=1).astype(np.float64)
    normal = design.T @ design
    normal[np.diag_indices(6)] += 1e-6 * normal.trace()
    if not normal.trace() > 0:
        return None
    solved = np.linalg.solve(normal, design.T @ target.ravel().astype(np.float64))
    step: npt.NDArray[np.float64] = solved[2:] / max(solved[0], _LEAST_GAIN)
    return step if solved[0] > _LEAST_GAIN else None


def _sampled(layer: Grey, rows: Grey, columns: Grey) -> Grey:
    """`layer` read between its pixels, at every crossing of `rows` and `columns` (bilinear)."""
    top = np.clip(rows.astype(np.intp), 0, _SIDE - 2)
    left = np.clip(columns.astype(np.intp), 0, _SIDE - 2)
    below, beside = (rows - top)[:, None], (columns - left)[None, :]
    band = layer[top] * (1 - below) + layer[top + 1] * below
    read: Grey = band[:, left] * (1 - beside) + band[:, left + 1] * beside
    return read
