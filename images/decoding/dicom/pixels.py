"""The picture of a DICOM file: of its frame that stands for it, or of the tiles of a whole slide, as 8-bit grey or RGB.

Grey goes through its own tables and windows (grey.py), a palette through its colours, YBR is RGB already. Overlays are not
drawn.
"""

import copy
from typing import Any, Final

from numpy.typing import NDArray
from PIL import Image
from pydicom import DataElement, Dataset, FileDataset, uid
from pydicom.dataset import FileMetaDataset

from images.decoding.dicom import grey, groups, padding, palette, slides, stored
from images.decoding.errors import Undecodable
from images.decoding.facts import Facts
from images.decoding.window import colours_to_eight

_KEPT: Final = (
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept",
    "VOILUTSequence", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction", *padding.KEYWORDS,
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
)  # fmt: skip
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_PALETTE: Final = "PALETTE COLOR"
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_422")
_RARE: Final = Undecodable(
    "corrupt", "The colours of this DICOM file are written in a rare way. Export the scan as PNG."
)

Values = NDArray[Any]


def settings(dataset: FileDataset, index: int = 0) -> Dataset:
    """The attributes that turn values into grey or colour, those in the functional groups of frame `index` included.

    Bytes of tables are in little-endian order, whatever the file's.
    """
    flat = Dataset()
    flat.file_meta = dataset.file_meta
    groups.copy(dataset, flat, _KEPT)
    groups.flatten(dataset, flat, index)
    if dataset.file_meta.TransferSyntaxUID == uid.ExplicitVRBigEndian:
        flat = copy.deepcopy(flat)
        flat.walk(to_little)
        flat.file_meta = FileMetaDataset()
        flat.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    return flat


def to_little(_: Dataset, element: DataElement) -> None:
    """Turn round the words that pydicom keeps as bytes, such as the entries of a table: for Dataset.walk()."""
    if element.VR == "OW" and element.value:
        swapped = bytearray(len(element.value))
        swapped[::2], swapped[1::2] = element.value[1::2], element.value[::2]
        element.value = bytes(swapped)


def picture(dataset: FileDataset, flat: Dataset, facts: Facts) -> Image.Image:
    """The picture at full size, mode 'L' or 'RGB'. Raises Undecodable."""
    if facts.mode not in (*_GREY, *_COLOUR, _PALETTE):
        raise _RARE
    values = _values(dataset, facts)
    if facts.mode in _GREY and values.ndim == 2:
        return Image.fromarray(grey.shown(values, flat, facts))
    if facts.mode == _PALETTE and values.ndim == 2:
        colours = palette.read(flat)
        return Image.fromarray(grey.mapped(values, lambda found: palette.coloured(found, colours)))
    if values.ndim == 3 and values.shape[2] == 3 and facts.mode in _COLOUR:
        return colours_to_eight(values, int(dataset.BitsStored), facts.notes)
    raise _RARE


def _values(dataset: FileDataset, facts: Facts) -> Values:
    if slides.is_slide(dataset):
        return slides.whole(dataset, facts)
    return stored.frame(dataset, facts.shown, facts.notes)
