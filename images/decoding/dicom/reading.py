"""Opening a DICOM file: what it is, refused or accepted before a pixel is touched."""

import io
from typing import Any, Final

from pydicom import Dataset, FileDataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset

from images.decoding.dicom import codestream, readable, slides, stored
from images.decoding.dicom.kinds import require_picture
from images.decoding.dicom.structure import Layout, layout
from images.decoding.errors import Undecodable, no_frame, too_many_pixels
from images.decoding.facts import Facts

NATIVE: Final = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
SYNTAXES: Final = frozenset((*NATIVE, *stored.JPEG_FAMILY, uid.RLELossless))

PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_OTHER_SYNTAX: Final = (
    "The picture in this DICOM file is packed in a way that is not supported (such as a video). "
    "Export the scan uncompressed, or as PNG, and upload that file."
)
_BAD_NUMBER: Final = "The DICOM header has no usable value for {}. Export the scan again from the archive."
_OTHER_ENCODING: Final = (
    "The file says that it is written in another encoding than it is; it was read as it is written."
)
_FOR_PROCESSING: Final = (
    "The file is made for processing, not for reading (FOR PROCESSING): its grey values are those of the detector."
)
_TAIL: Final = "What follows the pixels in the file was left out."


def read(data: bytes, max_bytes: int, max_pixels: int, frame: int = 0) -> tuple[FileDataset, Facts]:
    """The data set, without what follows its pixels, and its facts. `frame`: the one to show, from 1; 0 is the one that stands
    for all. Raises Undecodable."""
    parts = layout(data, max_bytes)
    if parts.syntax not in SYNTAXES:
        raise Undecodable("unsupported_format", _OTHER_SYNTAX)
    dataset = _dataset(parts)
    require_picture(dataset)
    if not parts.has_pixels or not any(keyword in dataset for keyword in PIXELS):
        raise Undecodable("no_picture")
    notes = [note for note, is_true in ((_OTHER_ENCODING, parts.is_other), (_TAIL, parts.tail)) if is_true]
    notes += readable.leave_out(dataset)
    facts = _facts(dataset, notes, frame)
    columns, rows = facts.size
    if columns * rows > max_pixels:
        raise (
            slides.too_large(columns, rows) if slides.is_slide(dataset) else too_many_pixels(columns, rows, max_pixels)
        )
    check_frame(dataset, facts.shown)
    return dataset, facts


def check_frame(dataset: Dataset, index: int) -> None:
    """Raise Undecodable where the codestream of a frame is cut or of another size than the header says."""
    if dataset.file_meta.TransferSyntaxUID in stored.JPEG_FAMILY:
        coded = stored.coded(dataset, index)
        codestream.check(coded, dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)


def _dataset(parts: Layout) -> FileDataset:
    """Deflated files are kept unpacked: as Explicit VR Little Endian they are the same, and need no second bound."""
    meta = FileMetaDataset(read_dataset(io.BytesIO(parts.meta), is_implicit_VR=False, is_little_endian=True))
    body = read_dataset(io.BytesIO(parts.body), is_implicit_VR=parts.implicit, is_little_endian=parts.little)
    if parts.is_other or parts.syntax == uid.DeflatedExplicitVRLittleEndian:
        meta.TransferSyntaxUID = _native(parts) if parts.syntax in NATIVE else uid.UID(parts.syntax)
    return FileDataset(
        "",
        body,
        file_meta=meta,
        is_implicit_VR=parts.implicit,
        is_little_endian=parts.little,
    )


def _native(parts: Layout) -> uid.UID:
    if not parts.little:
        return uid.ExplicitVRBigEndian
    return uid.ImplicitVRLittleEndian if parts.implicit else uid.ExplicitVRLittleEndian


def _facts(dataset: FileDataset, notes: list[str], frame: int) -> Facts:
    rows, columns = (_number(dataset, keyword, 1, 2**16) for keyword in ("Rows", "Columns"))
    frames = _number(dataset, "NumberOfFrames", 1, 2**31, default=1)
    _number(dataset, "SamplesPerPixel", 1, 4)
    allocated = _number(dataset, "BitsAllocated", 1, 64)
    # Old files leave these two out; pydicom needs them.
    dataset.BitsStored = _number(dataset, "BitsStored", 1, allocated, default=allocated)
    dataset.PixelRepresentation = _number(dataset, "PixelRepresentation", 0, 1, default=0)
    mode = str(dataset.get("PhotometricInterpretation", ""))
    facts = Facts("DICOM", mode, (columns, rows), 16 if dataset.BitsStored > 8 else 8, frames, notes=notes)
    is_slide = slides.is_slide(dataset)
    if frame > (1 if is_slide else frames):  # the tiles of a slide are no pictures of their own
        raise no_frame(frame, 1 if is_slide else frames)
    if is_slide:
        facts.size = slides.size(dataset)
    elif frame:
        facts.shown = frame - 1
    elif frames > 1:
        facts.named = _representative(dataset, frames, notes)
        facts.shown = max(0, facts.named - 1)
    if str(dataset.get("PresentationIntentType", "")).strip() == "FOR PROCESSING":
        notes.append(_FOR_PROCESSING)
    return facts


def _representative(dataset: FileDataset, frames: int, notes: list[str]) -> int:
    """The frame that the file names to stand for all (PS3.3 C.7.6.6), from 1; 0, and the first stands, where it names none."""
    named: Any = dataset.get("RepresentativeFrameNumber")
    if isinstance(named, int) and 1 <= named <= frames:
        notes.append(f"Frame {named} of {frames}, which the file names for it, stands for the scan.")
        return named
    notes.append(f"Frame 1 of {frames} stands for the scan.")
    return 0


def _number(dataset: FileDataset, keyword: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number of the header; the default where it is absent or empty."""
    value: Any = dataset.get(keyword)
    value = default if value is None else value
    if not isinstance(value, int) or not low <= value <= high:
        raise Undecodable("corrupt", _BAD_NUMBER.format(keyword))
    return int(value)
