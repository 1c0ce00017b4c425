"""From pixels deeper than 8 bits to 8-bit grey that keeps its contrast."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_PADDING_SHARE: Final = 0.02  # an extreme value that fills more than this is background or saturation
_TAILS: Final = (0.5, 99.5)
_SAMPLE: Final = 1_000_000
_WHOLE_WORD: Final = 16


def to_grey(im: Image.Image, *, inverted: bool, unsigned: bool = False) -> tuple[Image.Image, float, float]:
    """Window a one-channel image of 16-bit, 32-bit or float pixels to mode 'L'.

    `inverted`: small values are white (TIFF WhiteIsZero). `unsigned`: those of 32 bits have no sign. Returns the image
    and the window (low, high) in the file's own values.
    """
    values = numbers(im, unsigned=unsigned)
    low, high = window(values)
    out = np.empty(values.shape, np.uint8)
    for row in range(0, values.shape[0], 256):  # by strips: a float copy of the whole would be large
        strip = np.nan_to_num(values[row : row + 256].astype(np.float32), nan=low)
        scaled = np.clip((strip - low) * (255.0 / (high - low)), 0.0, 255.0)
        out[row : row + 256] = np.rint(255.0 - scaled if inverted else scaled)
    return Image.fromarray(out), low, high


def numbers(im: Image.Image, *, unsigned: bool = False) -> NDArray[Any]:
    """The pixels of such an image as they are."""
    values: NDArray[Any] = np.asarray(im)
    return values.view(np.uint32) if unsigned else values


def window(values: NDArray[Any]) -> tuple[float, float]:
    """The range of values that deserves the 256 grey levels: percentiles 0.5 to 99.5, padding left out.

    Collimated borders and saturated air fill much of a radiograph with its smallest or largest value; they would
    pull a plain percentile to the edge. An image with a single value gives a range of width 1.
    """
    flat = values.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    low, high = np.percentile(_without_padding(sample), _TAILS)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def _without_padding(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = sample
    for extreme in (sample.min(), sample.max()):
        if _is_padding(sample, extreme):
            kept = kept[kept != extreme]
    return kept if kept.size > sample.size * _PADDING_SHARE and kept.min() < kept.max() else sample


def _is_padding(sample: NDArray[np.float64], extreme: float) -> bool:
    """Whether an extreme value is frequent, or farther from all others than these are from each other."""
    share = np.mean(sample == extreme)
    if share > _PADDING_SHARE or share < _TAILS[0] / 200:
        return bool(share > _PADDING_SHARE)
    others = sample[sample != extreme]
    low, high = (others.min(), others.max()) if others.size else (extreme, extreme)
    return bool(min(abs(extreme - low), abs(extreme - high)) > high - low)


def colours_to_eight(values: NDArray[Any], bits: int, notes: list[str]) -> Image.Image:
    """Rows by columns by 3 of `bits` each to an image of 8-bit 'RGB', or of 'L' where deep channels are all the same."""
    if bits == 8:
        return Image.fromarray(values.astype(np.uint8, copy=False))
    if bits < 8:
        return Image.fromarray(np.rint(values * (255.0 / (2**bits - 1))).astype(np.uint8))
    if _same(values):
        grey, low, high = to_grey(Image.fromarray(np.ascontiguousarray(values[..., 0])), inverted=False)
        notes.append(windowed(low, high))
        return grey
    shift = shift_of(int(values.max()), bits, notes)
    return Image.fromarray((values >> shift).astype(np.uint8))


def shift_of(top: int, bits: int, notes: list[str]) -> int:
    """How far colours of `bits` are shifted to 8: where the largest value leaves the upper bits empty, less far."""
    used = max(8, top.bit_length() if bits == _WHOLE_WORD else bits)
    unused = "" if used == bits else f", of which {used} are used"
    notes.append(f"The file has {bits} bits per channel{unused}; the 8 most significant ones are used.")
    return used - 8


def windowed(low: float, high: float) -> str:
    """The note on what `to_grey` did."""
    return f"Values from {low:g} to {high:g} of the file are shown as black to white."


def _same(values: NDArray[Any]) -> bool:
    first = values[..., 0]
    return all(np.array_equal(first, values[..., channel]) for channel in (1, 2))
