"""The connected pieces of a black and white picture, without SciPy in a decoder."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Box(NamedTuple):
    """The smallest box around a piece; right and bottom are exclusive. ink: its pixels."""

    left: int
    top: int
    right: int
    bottom: int
    ink: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


def boxes(ink: NDArray[np.bool_], max_runs: int) -> list[Box]:
    """The pieces, diagonal neighbours included; none where the picture has more than `max_runs` runs of ink."""
    padded = np.zeros((ink.shape[0], ink.shape[1] + 2), np.int8)
    padded[:, 1:-1] = ink
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]
    if not 0 < len(rows) <= max_runs:
        return []
    piece = np.array(_joined(rows.tolist(), starts.tolist(), ends.tolist()))
    order = np.argsort(piece, kind="stable")
    first = np.flatnonzero(np.diff(piece[order], prepend=-1))
    left, top = (np.minimum.reduceat(values[order], first) for values in (starts, rows))
    right, bottom = (np.maximum.reduceat(values[order], first) for values in (ends, rows + 1))
    size = np.add.reduceat((ends - starts)[order], first)
    return [Box(*(int(value) for value in values)) for values in zip(left, top, right, bottom, size, strict=True)]


def _joined(rows: list[int], starts: list[int], ends: list[int]) -> list[int]:
    """The number of the piece that each run belongs to: union-find over runs that touch one of the row above."""
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    above = 0  # the first run of the row above that may still touch
    for run, row in enumerate(rows):
        while rows[above] < row - 1 or (rows[above] == row - 1 and ends[above] < starts[run]):
            above += 1
        other = above
        while other < run and rows[other] == row - 1 and starts[other] <= ends[run]:
            parent[root(other)] = root(run)
            other += 1
    return [root(run) for run in range(len(rows))]
