"""Numbers of a DICOM header that are no numbers, such as 0,143: left out and named, so that they take nothing else along."""

from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Final

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.multival import MultiValue

from images.decoding.dicom.groups import SEQUENCES

_NUMBERS: Final = ("DS", "IS")
_A_NUMBER: Final = (int, float, Decimal)
_PAIR: Final = ("vertical", "horizontal")
_PAIRS: Final = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")
# Nobody can guess it: the file is refused for it.
_NEEDED: Final = "NumberOfFrames"
# What a window was made for: without these nobody knows which values it means.
_BEFORE_THE_WINDOW: Final = frozenset(("RescaleSlope", "RescaleIntercept"))
_WINDOW: Final = ("WindowCenter", "WindowWidth", "VOILUTSequence")


def leave_out(dataset: Dataset) -> list[str]:
    """Remove the numbers that cannot be read from a data set and its functional groups: a note for each of their names."""
    names = dict.fromkeys(_left_out(dataset, SEQUENCES))
    if _BEFORE_THE_WINDOW & names.keys():
        for keyword in _WINDOW:
            if keyword in dataset:
                del dataset[keyword]
                names[keyword] = None
    return [f"{name} of the file cannot be read and was left out." for name in names]


def _left_out(dataset: Dataset, into: Collection[str] | None = None) -> Iterator[str]:
    """The names of what was removed; of sequences those of `into` are looked through, all where it is None."""
    for tag in list(dataset.keys()):
        name = "" if tag.is_private else keyword_for_tag(tag)
        if not name or name == _NEEDED:
            continue
        kind = dictionary_VR(tag)
        if kind in _NUMBERS and not _can_be_read(dataset, name):
            del dataset[tag]
            yield name
        elif kind == "SQ" and (into is None or name in into):
            for item in dataset.get(name) or ():
                yield from _left_out(item)


def _can_be_read(dataset: Dataset, keyword: str) -> bool:
    """Whether an element is empty or holds numbers alone, as many as it needs; of several windows one will do."""
    try:
        value = dataset.get(keyword)
    # Whatever its parser raises.
    except Exception:
        return False
    if value is None or value == "":
        return True
    numbers = [isinstance(one, _A_NUMBER) for one in (value if isinstance(value, MultiValue) else [value])]
    if keyword in _PAIRS and len(numbers) != len(_PAIR):
        return False
    return all(numbers) or (keyword in _WINDOW and any(numbers))
