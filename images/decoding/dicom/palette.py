"""The colours of a palette. Segmented ones are checked before pydicom unrolls them: few bytes can stand for millions.

Sources: PS3.3 C.7.6.3.1.5, C.7.6.3.1.6 and C.7.9.2: a segment is discrete (0, n, n values), linear (1, n, one value), or
indirect (2, n, offset of the first of n segments to use again, in two words).
"""

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut

from images.decoding.dicom import tables
from images.decoding.errors import Undecodable

_COLOURS: Final = ("Red", "Green", "Blue")
_KEYWORDS: Final = tuple(f"Segmented{name}PaletteColorLookupTableData" for name in _COLOURS)
_MOST: Final = 2**16
_BYTE: Final = 255
_NO_PALETTE: Final = "The DICOM file has a palette without colours. Export the scan again, or as PNG."
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2


def read(flat: Dataset) -> list[tables.Table]:
    """The tables of red, green and blue, with entries of 8 bits. Raises Undecodable."""
    _check(flat)
    descriptors = [flat.get(f"{name}PaletteColorLookupTableDescriptor") for name in _COLOURS]
    if any(descriptor is None or len(descriptor) != 3 for descriptor in descriptors):
        raise Undecodable("corrupt", _NO_PALETTE)
    signed = bool(flat.get("PixelRepresentation"))
    if "RedPaletteColorLookupTableData" in flat:
        data = [flat.get(f"{name}PaletteColorLookupTableData") or b"" for name in _COLOURS]
        found = [tables.table(*pair, signed=signed) for pair in zip(descriptors, data, strict=True)]
    else:
        found = _unrolled(flat, descriptors, signed=signed)
    if max(int(table.entries.max()) for table in found) > _BYTE:  # some announce 16 bits and use 8
        found = [tables.Table((table.entries >> 8).astype(np.uint16), table.first, 8) for table in found]
    return found


def _unrolled(flat: Dataset, descriptors: list[Any], *, signed: bool) -> list[tables.Table]:
    """Segmented tables as whole ones, by pydicom."""
    count, first, bits = (int(value) for value in descriptors[0])
    first = first - _MOST if signed and first >= _MOST // 2 else first
    inputs = np.arange(first, first + (count or _MOST))
    colours = apply_color_lut(inputs.reshape(1, -1), flat)[0]
    return [tables.Table(colours[:, channel].astype(np.uint16), first, bits) for channel in range(3)]


def coloured(values: NDArray[Any], colours: list[tables.Table]) -> NDArray[np.uint8]:
    """The colour of each value: one more axis, of three."""
    return np.stack([table(values) for table in colours], axis=-1).astype(np.uint8)


def _check(dataset: Dataset) -> None:
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
