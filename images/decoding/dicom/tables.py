"""Lookup tables of a DICOM file: modality LUT, VOI LUT and the colours of a palette.

Source: PS3.3 C.11.1.1, C.11.2.1.1 and C.7.6.3.1.5. A table of 8 bits per entry is written in one of two ways, packed
(one byte for each entry) or padded (a word for each); the number of bytes tells which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

_WORD: Final = 2**16
_HALF: Final = 2**15
# A scaled value may lie a hair below the whole number that is meant.
_HAIR: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Table:
    """`entries` for the inputs from `first` on; smaller inputs get the first entry, larger ones the last.

    bits: how many the file says that an entry has.
    """

    entries: NDArray[np.uint16]
    first: int
    bits: int

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        places = np.floor(values.astype(np.float64) - self.first + _HAIR)
        places = np.clip(np.nan_to_num(places, nan=0.0), 0, len(self.entries) - 1)
        found: NDArray[np.float64] = self.entries[places.astype(np.int64)].astype(np.float64)
        return found

    @property
    def white(self) -> float:
        """The largest value that can come out.

        That is 2^bits - 1, but files that say 16 may mean the bits that their entries use, and some say too few.
        """
        top = int(self.entries.max())
        said = 2**self.bits - 1 if 0 < self.bits < 16 else 0
        return float(max(said, 1) if top <= said else 2 ** max(1, top.bit_length()) - 1)


def read(item: Dataset, *, signed: bool) -> Table | None:
    """The table of an item of a modality or VOI LUT sequence, or None where it cannot be used.

    `signed`: whether the values that go in may be negative; the first of them is then written as two's complement.
    """
    try:
        return table(item.LUTDescriptor, item.LUTData, signed=signed)
    # Whatever a table holds: the pixels are there and can be shown without it.
    except Exception:
        return None


def table(descriptor: Sequence[int], data: bytes | int | Sequence[int], *, signed: bool) -> Table:
    """A table from its two elements, words and bytes in little-endian order. ValueError where it has no entries."""
    count, first, bits = (int(value) for value in descriptor)
    found = entries(data, count % _WORD or _WORD, bits)
    if not found.size:
        raise ValueError("a lookup table without entries")
    first = first - _WORD if signed and first >= _HALF else first
    return Table(found, first, bits)


def entries(data: bytes | int | Sequence[int], count: int, bits: int) -> NDArray[np.uint16]:
    """The entries, as many as there are of `count`. `data`: bytes, or words where the element has VR US or SS."""
    if not isinstance(data, bytes):
        words = [data] if isinstance(data, int) else list(data)
        data = (np.array(words, np.int64) % _WORD).astype("<u2").tobytes()
    is_packed = len(data) < 2 * count and (bits <= 8 or len(data) <= count + 1)
    if is_packed:
        return np.frombuffer(data, np.uint8)[:count].astype(np.uint16)
    return np.frombuffer(data[: len(data) // 2 * 2], "<u2")[:count].astype(np.uint16)
