"""Pixels that are not square: the picture is stretched so that a circle is a circle.

Source: PS3.3 10.7.1, C.8.5.5.1 and C.7.6.3.1.7: spacing, or the ratio where no spacing is known, is vertical then horizontal.
"""

import math
from typing import Any, Final

from PIL import Image
from pydicom import Dataset

from images.decoding.dicom import ultrasound
from images.decoding.dicom.elements import Unreadable
from images.decoding.shaping import RENDITION_SIDE, fitting

_SPACINGS: Final = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")
ALIKE: Final = 0.005  # spacings are often rounded
_MOST: Final = 20.0


def squared(picture: Image.Image, dataset: Dataset, flat: Dataset, notes: list[str]) -> Image.Image:
    """The picture with square pixels: the longer side of a pixel is resampled, never made coarser than the shorter one.

    `flat`: see pixels.settings; its spacing is that of the frame.
    """
    ratio = _ratio(dataset, flat)
    if abs(ratio - 1.0) <= ALIKE:
        return picture
    if not 1 / _MOST <= ratio <= _MOST:
        notes.append("The file says that its pixels are extremely long and narrow; this was ignored.")
        return picture
    width, height = picture.size
    larger = (width, round(height * ratio)) if ratio > 1 else (round(width / ratio), height)
    target = fitting(larger, max(RENDITION_SIDE, *picture.size))
    notes.append(
        f"The pixels are not square ({ratio:.4g} times as high as wide): the picture is stretched to its true shape."
    )
    return picture.resize(target, Image.Resampling.BILINEAR)


def _ratio(dataset: Dataset, flat: Dataset) -> float:
    """The height of a pixel by its width; 1 where the file says nothing that can be used."""
    if of_regions := _of_regions(dataset):
        return of_regions
    for source, keyword in ((flat, "PixelSpacing"), *((dataset, name) for name in _SPACINGS)):
        height, width = _pair(source.get(keyword))
        if height > 0 and width > 0:
            return height / width
    return 1.0


def _of_regions(dataset: Dataset) -> float:
    """The same by the regions of ultrasound, which go before any other spacing; 0 where they have none, or several."""
    try:
        ratios = [row / column for row, column in ultrasound.scales(dataset)]
    except Unreadable:
        return 0.0
    return ratios[0] if ratios and max(ratios) - min(ratios) <= ALIKE * min(ratios) else 0.0


def _pair(value: Any) -> tuple[float, float]:
    try:
        height, width = (float(one) for one in value)
    except (TypeError, ValueError):
        return 0.0, 0.0
    return (height, width) if math.isfinite(height) and math.isfinite(width) else (0.0, 0.0)
