"""What a file says to whoever views it, besides its pixels: its windows by name, and how large things are, region by region."""

import math
from typing import Any, Final

from pydicom import Dataset
from pydicom.multival import MultiValue

from images.decoding.dicom import spacing, ultrasound
from images.decoding.dicom.elements import Unreadable, value
from images.scan_facts import FACTS

# All of it goes into one header of an answer, of which some proxies take no more than 8 kB.
_MOST_WINDOWS: Final = 12
_MOST_REGIONS: Final = 16
_MOST_MM: Final = FACTS["pixel_spacing"].high
_NAME: Final = 32


def for_viewer(dataset: Dataset, flat: Dataset) -> dict[str, Any]:
    """`flat`: see pixels.settings. What cannot be read is left out."""
    return {"windows": _windows(flat), "spacing": _spacing(dataset, flat), "regions": _regions(dataset)}


def _windows(flat: Dataset) -> list[dict[str, Any]]:
    middles, widths = _several(flat, "WindowCenter"), _several(flat, "WindowWidth")
    names = _several(flat, "WindowCenterWidthExplanation")
    rows = [
        {"name": str(names[at]).strip()[:_NAME] if at < len(names) else "", "centre": middle, "width": width}
        for at, (middle, width) in enumerate(zip(map(_number, middles), map(_number, widths), strict=False))
        if middle is not None and width is not None and width > 0
    ]
    return rows[:_MOST_WINDOWS]


def _several(flat: Dataset, keyword: str) -> list[Any]:
    try:
        found = value(flat, keyword)
    except Unreadable:
        return []
    return list(found) if isinstance(found, MultiValue | list | tuple) else [] if found is None else [found]


def _number(given: Any) -> float | None:
    try:
        number = float(given)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _spacing(dataset: Dataset, flat: Dataset) -> dict[str, Any] | None:
    """Millimetres from one row, and one column, to the next; where that holds, and which element says so."""
    try:
        found = next(spacing.candidates(dataset, flat, []), None)
    except Unreadable:
        return None
    if found is None or not (0 < found[1] <= _MOST_MM and 0 < found[2] <= _MOST_MM):
        return None
    return dict(zip(("source", "row", "column", "at"), found, strict=True))


def _regions(dataset: Dataset) -> list[dict[str, Any]]:
    try:
        return ultrasound.regions(dataset)[:_MOST_REGIONS]
    except Unreadable:
        return []
