"""What the pixel data itself may hold besides the pixels: comments of codecs, bytes after the last pixel, overlay bits.

The picture stays as it is. A text in a codestream is overwritten with zeros in place, so no length or offset changes.
Sources: T.81 annex B, T.87 annex C, T.800 annex A, PS3.5 section 8.
"""

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np
from pydicom import Dataset, uid
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import get_expected_length

from images.decoding.dicom import stored

_COMMENT: Final = 0xFE
_APPLICATION: Final = range(0xE0, 0xF0)
_RESTARTS: Final = range(0xD0, 0xD9)
_SCAN, _END = 0xDA, 0xD9
# Segments that decoding or colour needs, and how much of each says so: the rest may be a thumbnail or a text.
_NEEDED: Final = ((0xE0, b"JFIF\0", 12), (0xE8, b"mrfx", 5), (0xEE, b"Adobe", 12))
_START_2000: Final = b"\xff\x4f\xff\x51"
_COMMENT_2000, _TILE_PART, _DATA, _END_2000 = 0xFF64, 0xFF90, 0xFF93, 0xFFD9
_JPEG: Final = frozenset((*stored.JPEG, *stored.PROGRESSIVE, *stored.JPEG_LS))
_JPEG_2000: Final = frozenset(stored.JPEG_2000)
_OVERLAYS: Final = range(0x6000, 0x6100, 2)
_BIT_POSITION: Final = 0x0102


def clean(dataset: Dataset) -> list[str]:
    """Clean the pixel data in place: what was found, as keywords for the report. Call while the overlays are still there."""
    if "PixelData" not in dataset:
        return []
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in _JPEG or syntax in _JPEG_2000:
        return ["codec comments"] if _clean_frames(dataset, is_2000=syntax in _JPEG_2000) else []
    if syntax.is_compressed and syntax != uid.DeflatedExplicitVRLittleEndian:
        return []
    return [name for name, found in (("padding", _cut(dataset)), ("overlay bits", _mask(dataset))) if found]


def _clean_frames(dataset: Dataset, *, is_2000: bool) -> bool:
    frames = list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1)))
    cleaned = [_blanked_2000(frame) if is_2000 else _blanked(frame) for frame in frames]
    if cleaned == frames:
        return False
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.PixelData = encapsulate(cleaned)
    return True


def _blanked(frame: bytes) -> bytes:
    """A JPEG or JPEG-LS frame without texts, and without what follows its end."""
    out = bytearray(frame)
    for kind, start, end in _segments(frame):
        if kind == _END:
            out[end:] = bytes(len(out) - end)
        elif kind == _COMMENT or kind in _APPLICATION:
            needed = next((size for mark, name, size in _NEEDED if mark == kind and frame[start:].startswith(name)), 0)
            out[start + needed : end] = bytes(max(0, end - start - needed))
    return bytes(out)


def _segments(frame: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment's content, in every scan; of the end marker, where it ends."""
    at = 2
    while at + 4 <= len(frame):
        if frame[at] != 0xFF or not _is_segment(frame[at + 1]):
            # Inside a scan, where JPEG stuffs 0x00 after 0xFF and JPEG-LS a byte below 0x80.
            marker_at = frame.find(b"\xff", at + 1)
            at = len(frame) if marker_at < 0 else marker_at
            continue
        kind = frame[at + 1]
        if kind == _END:
            break
        end = min(len(frame), at + 2 + struct.unpack_from(">H", frame, at + 2)[0])
        yield kind, at + 4, end
        at = max(end, at + 2)
    if frame[at : at + 2] == b"\xff\xd9":
        yield _END, at, at + 2


def _is_segment(mark: int) -> bool:
    return 0xC0 <= mark < 0xFF and mark not in _RESTARTS


def _blanked_2000(frame: bytes) -> bytes:
    """A JPEG 2000 codestream without comments; boxes around it, which may hold texts, are cut off."""
    out = bytearray(frame[max(0, frame.find(_START_2000)) :])
    at, tile_end = 2, 0
    while at + 4 <= len(out):
        marker, length = struct.unpack_from(">HH", out, at)
        if marker == _END_2000:
            break
        if marker == _DATA:
            at = tile_end
            continue
        if marker == _TILE_PART:
            tile_end = _tile_end(out, at)
        elif marker == _COMMENT_2000:
            out[at + 6 : at + 2 + length] = bytes(max(0, min(len(out), at + 2 + length) - at - 6))
        at += 2 + length
    return bytes(out)


def _tile_end(out: bytearray, at: int) -> int:
    """Where the tile-part that begins at `at` ends; 0 as its length means up to the end of the codestream."""
    size: int = struct.unpack_from(">I", out, at + 6)[0]
    return max(at + 12, at + size) if size else len(out)


def _cut(dataset: Dataset) -> bool:
    """Nothing may follow the last pixel but the one byte that makes the length even."""
    expected = get_expected_length(dataset)
    data = dataset.PixelData
    padded = data[:expected] + bytes(expected % 2)
    if len(data) < expected or data == padded:
        return False
    dataset["PixelData"].value = padded
    return len(data) > len(padded) or any(data[expected:])


def _mask(dataset: Dataset) -> bool:
    """Old files keep overlays in the pixels' unused bits; without their group nothing would show them, but they stay there."""
    stored, allocated = dataset.get("BitsStored", 16), dataset.get("BitsAllocated", 16)
    embedded = any(dataset.get((group, _BIT_POSITION)) for group in _OVERLAYS)
    if not embedded or allocated != 16 or stored >= 16 or dataset.get("HighBit") != stored - 1:
        return False
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    values = np.frombuffer(dataset.PixelData, dtype=f"{order}i2" if dataset.PixelRepresentation else f"{order}u2")
    spare = 16 - stored
    # Up and down again: what is left of the value's own bits, with its sign where it has one.
    masked = ((values << spare) >> spare).astype(values.dtype)
    dataset["PixelData"].value = masked.tobytes()
    return True
