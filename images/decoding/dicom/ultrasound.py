"""The regions of an ultrasound picture, each with a scale of its own (PS3.3 C.8.5.5.1)."""

from typing import Any, Final

from pydicom import Dataset

from images.decoding.dicom.elements import items, number

_MM_PER_CM: Final = 10.0
_CENTIMETRE: Final = 3.0  # of the units of a region's axes
_CORNERS: Final = ("MinX0", "MinY0", "MaxX1", "MaxY1")
_TWO_DIMENSIONAL: Final = 1.0  # of the formats of a region: M-mode, spectra and curves have other axes


def scales(dataset: Dataset) -> set[tuple[float, float]]:
    """The distinct scales, millimetres a row and a column, of the regions that show the patient in two dimensions. Raises
    Unreadable."""
    return {(region["row"], region["column"]) for region in regions(dataset)}


def regions(dataset: Dataset) -> list[dict[str, Any]]:
    """Each of these regions: its scale, and its first and last column and row; None where the file does not say. Raises
    Unreadable."""
    found = []
    for region in items(dataset, "SequenceOfUltrasoundRegions"):
        units = (number(region, "PhysicalUnitsXDirection"), number(region, "PhysicalUnitsYDirection"))
        if number(region, "RegionSpatialFormat") != _TWO_DIMENSIONAL or units != (_CENTIMETRE, _CENTIMETRE):
            continue
        row, column = number(region, "PhysicalDeltaY"), number(region, "PhysicalDeltaX")
        if row and column:
            # An axis that runs up or to the left has a negative step. Digits beyond the sixth are rounding of the machine's.
            corners = [number(region, f"RegionLocation{corner}") for corner in _CORNERS]
            found.append({"row": _millimetres(row), "column": _millimetres(column), "corners": corners})
    return found


def _millimetres(step: float) -> float:
    return float(f"{abs(step) * _MM_PER_CM:.6g}")
