"""The functional groups of an enhanced multi-frame file, brought to where a single frame has its attributes.

Source: PS3.3 C.7.6.16; a frame's own group takes precedence over the one that all frames share.
"""

from copy import copy as shallow
from typing import Final

from pydicom import Dataset

SEQUENCES: Final = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_MACROS: Final = {
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    "FrameVOILUTSequence": (
        "WindowCenter",
        "WindowWidth",
        "WindowCenterWidthExplanation",
        "VOILUTFunction",
        "VOILUTSequence",
    ),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "FrameAnatomySequence": ("FrameLaterality", "AnatomicRegionSequence"),
    "FramePixelDataPropertiesSequence": ("ImagerPixelSpacing",),
    "FrameContentSequence": ("FrameAcquisitionDateTime",),
}
_RENAMED: Final = {"FrameLaterality": "ImageLaterality", "FrameAcquisitionDateTime": "AcquisitionDateTime"}


def flatten(source: Dataset, target: Dataset, index: int) -> None:
    """Put the attributes of frame `index` (from 0) into `target`."""
    shared, own = (source.get(name) or () for name in SEQUENCES)
    for group in (*shared[:1], *own[index : index + 1]):
        for sequence, keywords in _MACROS.items():
            for item in (group.get(sequence) or ())[:1]:
                copy(item, target, keywords)


def copy(source: Dataset, target: Dataset, keywords: tuple[str, ...]) -> None:
    """Take over those of the attributes that `source` has, as elements of their own: a change leaves `source` alone."""
    for keyword in keywords:
        if keyword in _RENAMED and keyword in source:
            setattr(target, _RENAMED[keyword], source[keyword].value)
        elif keyword in source:
            _hand_on(source, target, keyword)


def _hand_on(source: Dataset, target: Dataset, keyword: str) -> None:
    """A value that cannot be read stays as it was written: whoever needs it says so, and the others go on without."""
    try:
        target.add(shallow(source[keyword]))
    except Exception:  # whatever the value does to its parser
        target[keyword] = shallow(source.get_item(keyword))
