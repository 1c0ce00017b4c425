"""Pixels that stand for no value: what fills a picture up to its rectangle (PS3.3 C.7.5.1.1.2).

They are shown like any other value, but no range of grey levels is made for them.
"""

from typing import Any, Final

from numpy.typing import NDArray
from pydicom import Dataset

_WHOLE: Final = (("PixelPaddingValue", "PixelPaddingRangeLimit"),)
_REAL: Final = (
    ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
)
KEYWORDS: Final = tuple(keyword for pair in (*_WHOLE, *_REAL) for keyword in pair)


def without(values: NDArray[Any], flat: Dataset) -> NDArray[Any]:
    """The stored values, in one dimension, without those of the padding; all of them where nothing else is there."""
    ends = between(values, flat)
    if ends is None:
        return values
    kept = values[(values < ends[0]) | (values > ends[1])]
    return kept if kept.size else values


def between(values: NDArray[Any], flat: Dataset) -> tuple[float, float] | None:
    """The smallest and largest of the stored values that are padding; None where the file names none."""
    pairs = _WHOLE if values.dtype.kind in "iu" else _REAL
    for value_keyword, limit_keyword in pairs:
        first, last = (_stored(flat.get(keyword), values, flat) for keyword in (value_keyword, limit_keyword))
        if first is not None:
            last = first if last is None else last
            return min(first, last), max(first, last)
    return None


def _stored(value: Any, values: NDArray[Any], flat: Dataset) -> float | None:
    """A padding value as it stands among `values`: many files write a negative one as unsigned, or in more bits."""
    if not isinstance(value, int | float):
        return None
    if values.dtype.kind == "f":
        return float(value)
    bits, allocated = int(flat.BitsStored), 8 * values.dtype.itemsize
    for used in (allocated, bits):
        number = int(value) % 2**used
        number -= 2**used if flat.PixelRepresentation and number >= 2 ** (used - 1) else 0
        if flat.PixelRepresentation and -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            break
        if not flat.PixelRepresentation and number < 2**bits:
            break
    return float(number)
