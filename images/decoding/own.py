"""Grey of more than eight bits for the view for learning: the file's own values, before any window makes levels of them.

They are shrunk in floats, by strips of rows, and written as 16 bits: one for each whole value where these have room there, else
as fine as the range allows.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from images.decoding.result import VIEW_SIDE

TOP: Final = 2**16 - 1
_STRIP: Final = 2**20  # pixels
# Of values with a wider range than 16 bits: so many windows are kept on either side of the one that is shown (1,985 levels then).
_BESIDE: Final = 16
# What is beyond is no value of a scan, and no 32-bit float holds its products.
_MOST: Final = 1e30
BEYOND: Final = "The values of the file are no numbers that can be used: the view has the 8 bits that pages show."

Values = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Meaning:
    """A number of the file stands for number * slope + intercept. `black`, `white`: the values of this kind that pages show so;
    black is the larger one where small values are bright."""

    black: float
    white: float
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def is_usable(self) -> bool:
        numbers = (self.black, self.white, self.slope, self.intercept)
        return all(math.isfinite(number) and abs(number) < _MOST for number in numbers) and self.slope != 0


class Own:
    """Where the loader of a file leaves its values, for whoever asked for them. `note`: why there are none, of a deep file."""

    def __init__(self) -> None:
        self.note = ""
        self._grey: Image.Image | None = None
        self._slope, self._intercept, self._window = 1.0, 0.0, (0.0, 255.0)

    def keep(
        self,
        values: Values,
        meaning: Meaning,
        *,
        table: Callable[[Values], Floats] | None = None,
        padding: tuple[float, float] | None = None,
    ) -> None:
        """Rows by columns. `table` gives the number for each value, else it is the value. The values from the first to the last of
        `padding` become as dark as the darkest of all others, so that they neither shine nor shift anything."""
        if not meaning.is_usable:
            self.note = BEYOND
            return
        factor = max(1, max(values.shape) // (2 * VIEW_SIDE))
        strips = partial(numbers, values, table, factor)
        low, high = ends(strips(padding))
        if low > high:  # there is nothing but padding
            padding = None
            low, high = ends(strips(None))
        low, high = (low, high) if low <= high else (0.0, 0.0)
        is_whole = table is not None or values.dtype.kind != "f"
        low, high, base, step = scale(low, high, meaning, is_whole=is_whole)
        dark = low if (meaning.white > meaning.black) == (meaning.slope > 0) else high
        rows = [reduced((filled(strip, low, high, dark) - base) / step, factor) for strip in strips(padding)]
        self._grey = Image.fromarray(np.concatenate(rows))
        self._slope, self._intercept = meaning.slope * step, meaning.slope * base + meaning.intercept
        self._window = (meaning.black, meaning.white)

    def turn(self, way: Image.Transpose) -> None:
        if self._grey is not None:
            self._grey = self._grey.transpose(way)

    def view(self, size: tuple[int, int]) -> tuple[dict[str, Any], Image.Image] | None:
        """What the pixels stand for, and the pixels, of 16 bits, in that size; None where no values were left here."""
        if self._grey is None:
            return None
        # Bilinear: each pixel is a mean of values, so that none comes out that lies beyond those that went in.
        grey = self._grey if self._grey.size == size else self._grey.resize(size, Image.Resampling.BILINEAR)
        pixels = np.rint(np.clip(np.asarray(grey), 0, TOP)).astype(np.uint16)
        facts = {"slope": self._slope, "intercept": self._intercept, "window": list(self._window)}
        return facts, Image.fromarray(pixels)


def numbers(
    values: Values,
    table: Callable[[Values], Floats] | None,
    factor: int,
    padding: tuple[float, float] | None,
) -> Iterator[Floats]:
    """By strips that are whole blocks of `factor` rows; no number where there is none, or padding."""
    rows = max(1, _STRIP // (values.shape[1] * factor)) * factor
    for start in range(0, values.shape[0], rows):
        strip = values[start : start + rows]
        found = table(strip) if table else strip.astype(np.float64)
        if padding:
            found[(strip >= padding[0]) & (strip <= padding[1])] = np.nan
        yield found


def ends(strips: Iterator[Floats]) -> tuple[float, float]:
    """The smallest and largest number; the first one is larger where there is none."""
    low, high = math.inf, -math.inf
    for strip in strips:
        found = strip[np.isfinite(strip)]
        if found.size:
            low, high = min(low, float(found.min())), max(high, float(found.max()))
    return low, high


def scale(low: float, high: float, meaning: Meaning, *, is_whole: bool) -> tuple[float, float, float, float]:
    """The range of numbers that is kept, the number that a pixel of 0 stands for, and what a step of 1 does."""
    if not is_whole or high - low > TOP:
        shown = sorted((value - meaning.intercept) / meaning.slope for value in (meaning.black, meaning.white))
        beside = _BESIDE * (shown[1] - shown[0])
        low, high = max(low, shown[0] - beside), min(high, shown[1] + beside)
        high = max(low, high)
    if is_whole and high - low <= TOP:
        return low, high, 0.0 if low >= 0 and high <= TOP else math.floor(low), 1.0
    return low, high, low, (high - low) / TOP or 1.0


def filled(strip: Floats, low: float, high: float, dark: float) -> Floats:
    return np.nan_to_num(np.clip(strip, low, high), nan=dark)


def reduced(strip: Floats, factor: int) -> NDArray[np.float32]:
    part = Image.fromarray(strip.astype(np.float32))
    return np.asarray(part.reduce(factor) if factor > 1 else part)
