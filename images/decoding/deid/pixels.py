"""What the pixel data itself may hold besides the pixels: comments of codecs, bytes after the last pixel, unused bits.

The picture stays as it is. A text in a codestream is overwritten with zeros in place, so no length or offset changes.
Sources: T.81 annex B, T.87 annex C, T.800 annex A, PS3.5 section 8 and annex G.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final

from pydicom import Dataset, uid
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import get_expected_length

from images.decoding.deid import spare
from images.decoding.dicom import reading, rle, stored

_COMMENT: Final = 0xFE
_APPLICATION: Final = range(0xE0, 0xF0)
_RESTARTS: Final = range(0xD0, 0xD9)
_SCAN, _END = 0xDA, 0xD9
# Segments that decoding or colour needs, and how much of each says so: the rest may be a thumbnail or a text.
_NEEDED: Final = ((0xE0, b"JFIF\0", 12), (0xE8, b"mrfx", 5), (0xEE, b"Adobe", 12))
_START_2000: Final = b"\xff\x4f\xff\x51"
_COMMENT_2000, _TILE_PART, _DATA, _END_2000 = 0xFF64, 0xFF90, 0xFF93, 0xFFD9
_JPEG_FAMILY: Final = frozenset(stored.JPEG_FAMILY)
_JPEG_2000: Final = frozenset(stored.JPEG_2000)


def clean(dataset: Dataset) -> list[str]:
    """Clean the pixel data in place: what was found, as keywords for the report. Raises Undecodable where that cannot be done."""
    keyword = next((name for name in reading.PIXELS if name in dataset), "")
    if not keyword:
        return []
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in _JPEG_FAMILY:
        found = {"codec comments": _clean_frames(dataset, _blanked_2000 if syntax in _JPEG_2000 else _blanked)}
    elif syntax == uid.RLELossless:
        found = {"padding": _clean_rle(dataset)}
    else:
        found = {"padding": _cut(dataset, keyword)}
    found["unused bits"] = keyword == "PixelData" and spare.wipe(dataset)
    return [name for name, is_there in found.items() if is_there]


def _clean_frames(dataset: Dataset, blanked: Callable[[bytes], bytes]) -> bool:
    """Whether `blanked` changed a frame of packed pixels."""
    frames = list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1)))
    cleaned = [blanked(frame) for frame in frames]
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
    if out[at : at + 2] == _END_2000.to_bytes(2, "big"):
        out[at + 2 :] = bytes(max(0, len(out) - at - 2))
    return bytes(out)


def _tile_end(out: bytearray, at: int) -> int:
    """Where the tile-part that begins at `at` ends; 0 as its length means up to the end of the codestream."""
    size: int = struct.unpack_from(">I", out, at + 6)[0]
    return max(at + 12, at + size) if size else len(out)


def _cut(dataset: Dataset, keyword: str) -> bool:
    """Nothing may follow the last pixel but the one byte that makes the length even."""
    expected = get_expected_length(dataset)
    data = dataset[keyword].value
    padded = data[:expected] + bytes(expected % 2)
    if expected % 2 and dataset[keyword].VR == "OW" and not dataset.file_meta.TransferSyntaxUID.is_little_endian:
        # Bytes in big-endian words: the last one stands behind the one that is left over.
        padded = data[: expected - 1] + b"\0" + data[expected : expected + 1]
    if len(data) < expected or data == padded:
        return False
    dataset[keyword].value = padded
    return len(data) > len(padded) or any(data[expected:])


def _clean_rle(dataset: Dataset) -> bool:
    """Whether something stood between the segments of RLE frames, or behind their last pixel, where no decoder looks."""
    rows, columns = dataset.Rows, dataset.Columns
    return _clean_frames(dataset, lambda frame: rle.without_rest(frame, rows * columns))
