"""Grey of more than eight bits for whoever reads the scan: each pixel of the file as it is, in 16 bits, none averaged or windowed.

`packed` writes them for the wire: the differences to the left neighbour, small ones as small numbers, lower bytes before upper
ones, compressed as gzip that any browser undoes by itself. On mammograms that is a third smaller than gzip of the plain values,
and made in half of the time.
"""

import math
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from images.decoding.own import BEYOND, TOP, Floats, Meaning, Values, ends, filled, numbers, reduced, scale

# Of more pixels than that, blocks of 2 by 2 or more are averaged: what a viewer of a page can hold.
MOST_PIXELS: Final = 40_000_000
_GZIP: Final = 31  # zlib's number for the container and the largest window
_SHORT: Final = 2  # bytes

Pixels = NDArray[np.uint16]


def factor_of(size: tuple[int, int]) -> int:
    """By how much a picture of that size is reduced, a whole number."""
    return max(1, math.ceil(math.sqrt(size[0] * size[1] / MOST_PIXELS)))


class Whole:
    """Where the loader of a file leaves its values; the same to it as `own.Own`."""

    def __init__(self) -> None:
        self.note = ""
        self.pixels: Pixels | None = None
        self.facts: dict[str, Any] = {}

    def keep(
        self,
        values: Values,
        meaning: Meaning,
        *,
        table: Callable[[Values], Floats] | None = None,
        padding: tuple[float, float] | None = None,
    ) -> None:
        """As `Own.keep`. What is padding stays as it is, and the facts say which values that are."""
        if not meaning.is_usable:
            self.note = BEYOND
            return
        factor = factor_of((values.shape[1], values.shape[0]))
        if factor == 1 and table is None and values.dtype.kind in "iu" and values.dtype.itemsize <= _SHORT:
            base, step = float(min(0, int(values.min()))), 1.0
            self.pixels = (values.astype(np.int32) - int(base)).astype(np.uint16)
        else:
            self.pixels, base, step = _brought(values, meaning, table, factor)
        self.facts = {
            "slope": meaning.slope * step,
            "intercept": meaning.slope * base + meaning.intercept,
            "window": [meaning.black, meaning.white],
            "padding": None if padding is None or table else [(end - base) / step for end in padding],
        }

    def turn(self, way: Image.Transpose) -> None:
        if self.pixels is not None:
            self.pixels = np.asarray(Image.fromarray(self.pixels).transpose(way))


def _brought(
    values: Values, meaning: Meaning, table: Callable[[Values], Floats] | None, factor: int
) -> tuple[Pixels, float, float]:
    """Values that are no short integers, or too many: as fine as 16 bits allow."""
    strips = partial(numbers, values, table, factor, None)
    low, high = ends(strips())
    low, high = (low, high) if low <= high else (0.0, 0.0)
    is_whole = table is not None or values.dtype.kind != "f"
    low, high, base, step = scale(low, high, meaning, is_whole=is_whole)
    dark = low if (meaning.white > meaning.black) == (meaning.slope > 0) else high
    rows = [reduced((filled(strip, low, high, dark) - base) / step, factor) for strip in strips()]
    return np.rint(np.clip(np.concatenate(rows), 0, TOP)).astype(np.uint16), base, step


def packed(pixels: Pixels) -> bytes:
    """The inverse is in docs/integrating.md, and in static/js/viewer/pixels.js."""
    steps = pixels.copy()
    steps[:, 1:] -= pixels[:, :-1]
    zigzag = (steps << 1) ^ (steps.view(np.int16) >> 15).view(np.uint16)
    halves = np.ascontiguousarray(zigzag.astype("<u2", copy=False).view(np.uint8).reshape(-1, 2).T)
    work = zlib.compressobj(1, zlib.DEFLATED, _GZIP, 9, zlib.Z_RLE)
    return work.compress(halves.tobytes()) + work.flush()
