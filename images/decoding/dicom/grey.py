"""From stored values to 8-bit grey: modality LUT or rescale, VOI LUT or window, then inversion for MONOCHROME1.

Source: PS3.3 C.11.1 and C.11.2. What a file asks for is done if it can be, and if it shows anything: a window that turns
the whole picture black or white is passed over, and a note says so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.multival import MultiValue

from images.decoding.dicom import padding, tables, windows
from images.decoding.facts import Facts
from images.decoding.own import Meaning, Own
from images.decoding.whole import Whole
from images.decoding.window import window, windowed

_SAMPLE: Final = 1_000_000
_FEW: Final = 50_000
_STRIP: Final = 256
_NEARLY_ALL: Final = 0.999
_SHALLOW: Final = 8
_FUNCTIONS: Final = ("LINEAR", "LINEAR_EXACT", "SIGMOID")

_NO_WINDOW: Final = "The window (VOI LUT) of the file cannot be used and was ignored."
_ONE_GREY: Final = "The window (VOI LUT) of the file shows the whole picture in one grey and was ignored."
_ANOTHER: Final = "The first window (VOI LUT) of the file shows nothing; another one of the file is used."
_NO_MODALITY: Final = "The modality LUT of the file cannot be read and was left out."
_BY_TABLE: Final = "The file has a VOI LUT, which is no plain window: the view has the 8 bits that pages show."
_NO_SLOPE: Final = "The rescale slope of the file is 0 or no number and was ignored."

Values = NDArray[Any]
ToEight = Callable[[Values], NDArray[np.uint8]]


def shown(values: Values, flat: Dataset, facts: Facts) -> NDArray[np.uint8]:
    """The grey picture of stored values as `stored.frame` gives them. `flat`: see pixels.settings."""
    grey = _Grey(flat, values, facts)
    if facts.own is not None and facts.bits > _SHALLOW:
        grey.hand_on(values, facts.own)
    return grey.of(values)


def mapped(values: Values, to_eight: ToEight) -> NDArray[np.uint8]:
    """`to_eight` of every pixel: through a table for up to 16 bits, else by strips of rows.

    Each step maps one value to one value, so that is the same result in a fraction of the time and memory.
    """
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
        patterns = np.arange(2 ** (8 * values.dtype.itemsize), dtype=f"u{values.dtype.itemsize}")
        table = to_eight(patterns.view(values.dtype))
        return np.take(table, values.view(patterns.dtype), axis=0)
    strips = [to_eight(values[row : row + _STRIP]) for row in range(0, values.shape[0], _STRIP)]
    return np.concatenate(strips)


class _Grey:
    """Stored values to grey levels, by what the file asks for; where it asks for nothing, by what occurs in it."""

    def __init__(self, flat: Dataset, values: Values, facts: Facts) -> None:
        self.flat = flat
        self.inverted = facts.mode == "MONOCHROME1"
        self.modality, self.can_be_negative = _modality(flat, facts.notes)
        every = max(1, values.size // _SAMPLE)
        self.sample = padding.without(values.reshape(-1)[::every], flat)
        self.voi = self._asked(facts) or self._range(facts)

    def of(self, values: Values) -> NDArray[np.uint8]:
        """The grey level of every pixel."""
        return mapped(values, self)

    def hand_on(self, values: Values, own: Own | Whole) -> None:
        """Leave the values after the modality LUT for whoever asked for them."""
        if not isinstance(self.voi, windows.Plain):
            own.note = _BY_TABLE
            return
        black, white = (self.voi.high, self.voi.low) if self.inverted else (self.voi.low, self.voi.high)
        outside = padding.between(values, self.flat)
        if isinstance(self.modality, _Rescale):
            meaning = Meaning(black, white, self.modality.factor, self.modality.offset)
            own.keep(values, meaning, padding=outside)
        else:
            own.keep(values, Meaning(black, white), table=self.modality, padding=outside)

    def __call__(self, stored: Values) -> NDArray[np.uint8]:
        return self._levels(stored, self.voi)

    def _levels(self, stored: Values, voi: windows.Window) -> NDArray[np.uint8]:
        scaled = np.nan_to_num(voi(self.modality(stored)), nan=0.0)
        grey: NDArray[np.uint8] = np.rint(255.0 * scaled).astype(np.uint8)
        return 255 - grey if self.inverted else grey

    def _asked(self, facts: Facts) -> windows.Window | None:
        """The first VOI LUT or window that shows something, or None where there is none that can be used."""
        asked = list(_voi(self.flat, signed=self.can_be_negative))
        for number, voi in enumerate(asked):
            if voi and not self._is_one_grey(voi):
                facts.notes.extend([_ANOTHER] if number else [])
                return voi
        if asked:
            facts.notes.append(_ONE_GREY if any(asked) else _NO_WINDOW)
        return self._occurring(facts) if any(asked) else None

    def _is_one_grey(self, voi: windows.Window) -> bool:
        """Whether nearly all pixels become the same grey although their values differ."""
        few = self.sample[:: self.sample.size // _FEW | 1]  # an odd step meets every column of most pictures
        if np.bincount(self._levels(few, voi)).max() <= _NEARLY_ALL * few.size:
            return False
        counts = np.unique(few, return_counts=True)[1]
        return bool(counts.max() <= _NEARLY_ALL * few.size)

    def _range(self, facts: Facts) -> windows.Window:
        """Black to white for a file that asks for nothing."""
        is_shallow = facts.bits == _SHALLOW and self.sample.dtype.kind in "iu"
        return self._whole_range() if is_shallow else self._occurring(facts)

    def _occurring(self, facts: Facts) -> windows.Window:
        low, high = window(self.modality(self.sample))
        facts.notes.append(windowed(low, high))
        return _between(low, high)

    def _whole_range(self) -> windows.Window:
        """From the smallest to the largest value that the bits of the file can give."""
        if isinstance(self.modality, tables.Table):
            return _between(0.0, self.modality.white)
        bits, signed = int(self.flat.BitsStored), int(self.flat.PixelRepresentation)
        low = -(2 ** (bits - 1)) if signed else 0
        ends = self.modality(np.array([low, low + 2**bits - 1]))
        return _between(float(ends.min()), float(ends.max()))


def _between(low: float, high: float) -> windows.Window:
    width = high - low if high > low else 1.0
    levels: windows.Window = lambda values: np.clip((values.astype(np.float64) - low) / width, 0.0, 1.0)  # noqa: E731
    return windows.Plain(low, low + width, levels)


@dataclass(frozen=True, slots=True)
class _Rescale:
    factor: float
    offset: float

    def __call__(self, stored: Values) -> Values:
        return stored.astype(np.float64) * self.factor + self.offset


def _modality(flat: Dataset, notes: list[str]) -> tuple[_Rescale | tables.Table, bool]:
    """The modality LUT or rescale, and whether negative values can come out of it."""
    signed = bool(flat.get("PixelRepresentation"))
    for item in (flat.get("ModalityLUTSequence") or ())[:1]:
        if table := tables.read(item, signed=signed):
            return table, False
        notes.append(_NO_MODALITY)
    slope, intercept = (_number(flat.get(keyword)) for keyword in ("RescaleSlope", "RescaleIntercept"))
    if slope is not None and (not np.isfinite(slope) or slope == 0):
        notes.append(_NO_SLOPE)
        slope = None
    factor, offset = slope or 1.0, intercept if intercept is not None and np.isfinite(intercept) else 0.0
    ends = np.array([-1.0 if signed else 0.0, 2.0 ** int(flat.get("BitsStored") or 16)]) * factor + offset
    return _Rescale(factor, offset), bool(ends.min() < 0)


def _voi(flat: Dataset, *, signed: bool) -> Iterator[windows.Window | None]:
    """What the file asks for, in the order in which it is to be tried; None for one that cannot be used.

    A VOI LUT goes before a window (as viewers do; PS3.3 leaves the choice open).
    """
    for item in flat.get("VOILUTSequence") or ():
        if item:
            table = tables.read(item, signed=signed)
            yield _by_table(table) if table else None
    function = str(flat.get("VOILUTFunction") or "").strip().upper()
    pairs = zip(_numbers(flat.get("WindowCenter")), _numbers(flat.get("WindowWidth")), strict=False)
    for center, width in pairs:
        yield None if center is None or width is None else windows.window(function, center, width)


def _by_table(table: tables.Table) -> windows.Window:
    white = table.white
    return lambda values: table(values) / white


def _numbers(value: Any) -> list[float | None]:
    """All values of an element in their places; none where it is absent or empty."""
    several = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
    return [] if several in ([None], [""]) else [_number(one) for one in several]


def _number(value: Any) -> float | None:
    try:
        return float(value) if value is not None else None
    except (TypeError, ValueError):
        return None
