"""Opening a DICOM file: what it is, refused or accepted before a pixel is touched."""

import io
from typing import Any, Final

from pydicom import FileDataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset

from images.decoding.dicom import codestream
from images.decoding.dicom.kinds import require_picture
from images.decoding.dicom.structure import Layout, layout
from images.decoding.errors import Undecodable, too_many_pixels
from images.decoding.facts import Facts

NATIVE: Final = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
JPEG_FAMILY: Final = (
    uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless,
    uid.JPEGLSNearLossless, uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K,
)  # fmt: skip
SYNTAXES: Final = frozenset((*NATIVE, *JPEG_FAMILY, uid.RLELossless))

_PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_OTHER_SYNTAX: Final = (
    "The picture in this DICOM file is packed in a way that is not supported (such as a video). "
    "Export the scan uncompressed, or as PNG, and upload that file."
)
_BAD_NUMBER: Final = "The DICOM header has no usable value for {}. Export the scan again from the archive."
_TAIL: Final = "What follows the pixels in the file was left out."


def read(data: bytes, max_bytes: int, max_pixels: int) -> tuple[FileDataset, Facts]:
    """The data set, without what follows its pixels, and its facts. Raises Undecodable."""
    parts = layout(data, max_bytes)
    if parts.syntax not in SYNTAXES:
        raise Undecodable("unsupported_format", _OTHER_SYNTAX)
    dataset = _dataset(parts)
    require_picture(dataset)
    if not parts.has_pixels or not any(keyword in dataset for keyword in _PIXELS):
        raise Undecodable("no_picture")
    facts = _facts(dataset)
    columns, rows = facts.size
    if columns * rows > max_pixels:
        raise too_many_pixels(columns, rows, max_pixels)
    if parts.syntax in JPEG_FAMILY:
        check_frame(dataset, facts, 0)
    if parts.tail:
        facts.notes.append(_TAIL)
    return dataset, facts


def check_frame(dataset: FileDataset, facts: Facts, index: int) -> None:
    """Raise Undecodable where the codestream of a frame is cut or of another size than the header says."""
    coded = get_frame(dataset.PixelData, index, number_of_frames=facts.frames)
    columns, rows = facts.size
    codestream.check(coded, rows, columns, dataset.SamplesPerPixel)


def _dataset(parts: Layout) -> FileDataset:
    """Deflated files are kept unpacked: as Explicit VR Little Endian they are the same, and need no second bound."""
    meta = FileMetaDataset(read_dataset(io.BytesIO(parts.meta), is_implicit_VR=False, is_little_endian=True))
    body = read_dataset(io.BytesIO(parts.body), is_implicit_VR=parts.implicit, is_little_endian=parts.little)
    if parts.syntax == uid.DeflatedExplicitVRLittleEndian:
        meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    return FileDataset(
        "",
        body,
        file_meta=meta,
        is_implicit_VR=parts.implicit,
        is_little_endian=parts.little,
    )


def _facts(dataset: FileDataset) -> Facts:
    rows, columns = (_number(dataset, keyword, 1, 2**16) for keyword in ("Rows", "Columns"))
    frames = _number(dataset, "NumberOfFrames", 1, 2**31, default=1)
    _number(dataset, "SamplesPerPixel", 1, 4)
    allocated = _number(dataset, "BitsAllocated", 1, 64)
    # Old files leave these two out; pydicom needs them.
    dataset.BitsStored = _number(dataset, "BitsStored", 1, allocated, default=allocated)
    dataset.PixelRepresentation = _number(dataset, "PixelRepresentation", 0, 1, default=0)
    facts = Facts("DICOM", str(dataset.get("PhotometricInterpretation", "")), (columns, rows), 8, frames)
    facts.bits = 16 if dataset.BitsStored > 8 else 8
    if frames > 1:
        facts.notes.append(f"Frame 1 of {frames} is used; the others are ignored.")
    return facts


def _number(dataset: FileDataset, keyword: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number of the header; the default where it is absent or empty."""
    value: Any = dataset.get(keyword)
    value = default if value is None else value
    if not isinstance(value, int) or not low <= value <= high:
        raise Undecodable("corrupt", _BAD_NUMBER.format(keyword))
    return int(value)
