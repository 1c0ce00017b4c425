"""Segmented palettes, checked before pydicom unrolls them: a few bytes can stand for millions of entries.

Source: PS3.3 C.7.9.2: a segment is discrete (0, n, n values), linear (1, n, one value), or indirect (2, n, offset of
the first of n segments to use again, in two words).
"""

import struct
from typing import Final

from pydicom import Dataset

from images.decoding.errors import Undecodable

_KEYWORDS: Final = tuple(f"Segmented{name}PaletteColorLookupTableData" for name in ("Red", "Green", "Blue"))
_MOST: Final = 2**16
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2


def check(dataset: Dataset) -> None:
    """Raise Undecodable where a segmented table has more entries than a table can have."""
    for keyword in _KEYWORDS:
        if isinstance(data := dataset.get(keyword), bytes):
            deep = dataset[keyword.replace("Data", "Descriptor").removeprefix("Segmented")].value[2] > 8
            words = [word for (word,) in struct.iter_unpack("<H" if deep else "B", data[: len(data) // 2 * 2])]
            if _entries(words, deep=deep) > _MOST:
                raise Undecodable("corrupt")


def _entries(words: list[int], *, deep: bool) -> int:
    """How many entries the table has, counted until there are too many. Undecodable for a segment that cannot be."""
    starts: dict[int, int] = {}  # the number of the segment that begins at a word
    sizes: list[int] = []
    position = 0
    while position + 2 < len(words) and sum(sizes) <= _MOST and len(sizes) < _MOST:
        starts[position] = len(sizes)
        kind, length = words[position], words[position + 1]
        if kind == _INDIRECT:
            sizes.append(_again(words[position + 2 : position + 6], length, starts, sizes, deep=deep))
            position += 4 if deep else 6
        elif kind in (_DISCRETE, _LINEAR):
            sizes.append(length)
            position += 2 + (length if kind == _DISCRETE else 1)
        else:
            raise Undecodable("corrupt")
    return sum(sizes)


def _again(offset: list[int], count: int, starts: dict[int, int], sizes: list[int], *, deep: bool) -> int:
    """The entries of `count` earlier segments. A segment that would use itself again has no end."""
    parts = [(16 if deep else 8) * at for at in range(2 if deep else 4)]
    first = starts.get(sum(word << shift for word, shift in zip(offset, parts, strict=False)))
    if first is None or first + count > len(sizes):
        raise Undecodable("corrupt")
    return sum(sizes[first : first + count])
