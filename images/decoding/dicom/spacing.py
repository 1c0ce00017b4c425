"""How far apart the pixels are, and where that holds: in the patient, at the detector, or on a film that was scanned.

Sources: PS3.3 10.7.1.3 (which value means what), C.8.5.5.1 (regions of ultrasound), C.8.11.7 and C.8.7.1 (magnification),
C.8.6.1 and C.8.11 (scanned films), C.7.6.16.2.1 (functional groups).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydicom import Dataset

from images.decoding.dicom import shape, ultrasound
from images.decoding.dicom.elements import Unreadable, number, pair, text
from images.scan_facts import FACTS, SPACING_AT_DETECTOR, SPACING_IN_PATIENT, SPACING_ON_FILM

_MAX_MM: Final = FACTS["pixel_spacing"].high
_CALIBRATED: Final = ("GEOMETRY", "FIDUCIAL")
# Rays from a point: PixelSpacing alone does not say at which depth it holds.
_PROJECTION: Final = ("CR", "DX", "DR", "RG", "MG", "PX", "IO", "RF", "XA", "RTIMAGE")
_MAX_MAGNIFICATION: Final = 20.0
_UNREADABLE: Final = "The pixel spacing in the file ({}) cannot be read, so none is kept."
_UNEQUAL: Final = "The pixels are not square ({:g} × {:g} mm), so no single pixel spacing is kept."
_REGIONS: Final = "The regions of this ultrasound picture have different scales, so no pixel spacing is kept."
_ENLARGED: Final = "The magnification in the file cannot be read, so the pixel spacing holds at the detector."


@dataclass(frozen=True, slots=True)
class Spacing:
    """`mm` from one pixel's centre to the next. `at`: where that holds; '' where the file does not say."""

    mm: float | None = None
    at: str = ""


_NONE: Final = Spacing()
_Found = tuple[str, float, float, str]


def spacing(dataset: Dataset, groups: Dataset, notes: list[str]) -> Spacing:
    """The spacing of the pixels. `groups`: the first frame's functional groups, flattened.

    What is there and cannot be read, or is no single number, is left empty and named in `notes`."""
    try:
        keyword, row, column, at = next(candidates(dataset, groups, notes), ("", 0.0, 0.0, ""))
    except Unreadable as error:
        notes.append(_UNREADABLE.format(error))
        return _NONE
    if not keyword:
        return _NONE
    if not (0 < row <= _MAX_MM and 0 < column <= _MAX_MM):
        notes.append(_UNREADABLE.format(keyword))
        return _NONE
    if not math.isclose(row, column, rel_tol=shape.ALIKE):
        notes.append(_UNEQUAL.format(row, column))
        return _NONE
    return Spacing(row, at)


def candidates(dataset: Dataset, groups: Dataset, notes: list[str]) -> Iterator[_Found]:
    """(element, row, column, where), the one that counts first."""
    if regions := ultrasound.scales(dataset):
        if len(regions) > 1:
            notes.append(_REGIONS)
            return
        yield ("SequenceOfUltrasoundRegions", *regions.pop(), SPACING_IN_PATIENT)
    if found := pair(groups, "PixelSpacing"):
        yield ("PixelSpacing", *found, SPACING_IN_PATIENT)
    detector = pair(groups, "ImagerPixelSpacing") or pair(dataset, "ImagerPixelSpacing")
    if found := pair(dataset, "PixelSpacing"):
        if found == detector and text(dataset, "PixelSpacingCalibrationType") not in _CALIBRATED:
            yield _at_detector("PixelSpacing", *found, dataset, notes)
        else:
            yield ("PixelSpacing", *found, _meaning(dataset, detector))
    if detector:
        yield _at_detector("ImagerPixelSpacing", *detector, dataset, notes)
    if found := pair(dataset, "NominalScannedPixelSpacing"):
        yield ("NominalScannedPixelSpacing", *found, SPACING_ON_FILM)


def _meaning(dataset: Dataset, detector: tuple[float, float] | None) -> str:
    """Where a PixelSpacing holds that is not the detector's own."""
    if detector or text(dataset, "PixelSpacingCalibrationType") in _CALIBRATED:
        return SPACING_IN_PATIENT
    return "" if text(dataset, "Modality") in ("", "OT", "SC", *_PROJECTION) else SPACING_IN_PATIENT


def _at_detector(keyword: str, row: float, column: float, dataset: Dataset, notes: list[str]) -> _Found:
    """Brought to the middle of the patient where the file estimates how much larger its shadow is."""
    try:
        factor = number(dataset, "EstimatedRadiographicMagnificationFactor")
    except Unreadable:
        factor = math.nan
    if factor is None:
        return keyword, row, column, SPACING_AT_DETECTOR
    if not 1 <= factor <= _MAX_MAGNIFICATION:
        notes.append(_ENLARGED)
        return keyword, row, column, SPACING_AT_DETECTOR
    return keyword, row / factor, column / factor, SPACING_IN_PATIENT
