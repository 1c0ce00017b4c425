"""What the codestream of one frame says about itself, compared with the DICOM header before a decoder allocates memory.

A few bytes can announce a picture of 60,000 by 60,000 inside a file whose header says 10 by 10; and a codestream that
was cut still gives a picture, grey from somewhere on. Source: T.81 annex B, T.87 annex C, T.800 annex A.
"""

import struct
from dataclasses import dataclass
from typing import Final

from images.decoding.containers import check_scans
from images.decoding.errors import Undecodable

_SIZ: Final = b"\xff\x4f\xff\x51"  # start of a JPEG 2000 codestream, then its size marker
_JP2: Final = b"\x00\x00\x00\x0cjP  "
_JPEG_END: Final = b"\xff\xd9"
_FRAME_HEADERS: Final = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15, and JPEG-LS
_PROGRESSIVE: Final = (0xC2, 0xC6, 0xCA, 0xCE)
_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD9)))
_SCAN: Final = 0xDA
_APP0: Final = 0xE0
_APP14: Final = 0xEE
_RGB_NAMES: Final = (b"RGB", b"rgb")
# By whether it is a JPEG: start of scan; else start of data.
_SCAN_MARKS: Final = {True: b"\xff\xda", False: b"\xff\x93"}
_COD: Final = 0xFF52
_TILE_PART: Final = 0xFF90
_LOWEST_MARK: Final = 0xFF00
RGB: Final = "RGB"
YBR: Final = "YBR_FULL"
MAX_SEGMENTS: Final = 5_000

_DISAGREES: Final = "The DICOM header and the picture in it disagree about its size. Export the scan again."


_ENOUGH: Final = 16 * 2**20
_RATIO: Final = 500  # a mostly black radiograph packs to a hundredth
BOMB: Final = Undecodable(
    "too_large", "Unpacked, the picture is larger than any scan that packs so well. Export the scan uncompressed."
)


def most_unpacked(packed: int) -> int:
    """How many bytes of a scan the given number of packed bytes can hold; more than this is a bomb."""
    return max(_ENOUGH, _RATIO * packed)


@dataclass(frozen=True, slots=True)
class Head:
    """rows, columns, components: of the picture; bits: of one value.

    colours: RGB or YBR where the codestream itself tells what three components hold, '' where it does not.
    """

    rows: int
    columns: int
    components: int
    bits: int
    colours: str
    is_progressive: bool = False


def check(frame: bytes, rows: int, columns: int, samples: int) -> None:
    """Raise Undecodable where a JPEG, JPEG-LS or JPEG 2000 frame is cut, a bomb, or not of the size in the header."""
    if rows * columns * samples > most_unpacked(len(frame)):
        raise BOMB
    if not _has_end(frame):
        raise Undecodable("truncated")
    found = head(frame)
    if (found.rows, found.columns) != (rows, columns) or found.components != samples:
        raise Undecodable("corrupt", _DISAGREES)
    if found.is_progressive:
        check_scans(frame, rows * columns, progressive=True)


def head(frame: bytes) -> Head:
    """What a codestream says of itself. Raises Undecodable."""
    try:
        return _head_2000(frame) if frame[:2] != b"\xff\xd8" else _head_jpeg(frame)
    except struct.error as error:
        raise Undecodable("truncated") from error


def _has_end(frame: bytes) -> bool:
    """Whether the last scan has its end marker. What follows it is padding, whatever it is made of.

    Inside a scan no codec writes the two bytes of the marker; before it they may be those of a thumbnail.
    """
    return frame.rfind(_JPEG_END) > frame.rfind(_SCAN_MARKS[frame[:2] == b"\xff\xd8"])


def _head_2000(frame: bytes) -> Head:
    start = frame.find(_SIZ) if frame.startswith(_JP2) else 0
    if start < 0 or frame[start : start + 4] != _SIZ:
        raise Undecodable("corrupt")
    (length,) = struct.unpack_from(">H", frame, start + 4)
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    tile_width, tile_height = struct.unpack_from(">2I", frame, start + 24)
    components, depth = struct.unpack_from(">HB", frame, start + 40)
    tiles = -(-right // max(1, tile_width)) * -(-bottom // max(1, tile_height))
    if tiles > 65_535 or not (tile_width and tile_height):
        raise Undecodable("corrupt")
    colours = RGB if components == 3 and _is_transformed(frame, start + 4 + length) else ""
    return Head(bottom - top, right - left, components, (depth & 0x7F) + 1, colours)


def _is_transformed(frame: bytes, position: int) -> bool:
    """Whether the coding style (T.800 A.6.1) has the component transform, which every decoder undoes: that gives RGB."""
    for _ in range(MAX_SEGMENTS):
        mark, length = struct.unpack_from(">HH", frame, position)
        if mark == _COD:
            return frame[position + 8] == 1
        if mark == _TILE_PART or mark < _LOWEST_MARK:
            return False
        position += 2 + length
    return False


def _head_jpeg(frame: bytes) -> Head:
    """Up to the frame header, and the segments of applications before it."""
    position, adobe, is_jfif = 2, b"", False
    for _ in range(MAX_SEGMENTS):
        mark, kind, length = struct.unpack_from(">BBH", frame, position)
        if mark != 0xFF or kind == _SCAN:
            break
        if kind in _FRAME_HEADERS:
            bits, height, width, components = struct.unpack_from(">BHHB", frame, position + 4)
            parts = frame[position + 10 : position + 10 + 3 * components]
            colours = _colours(parts, adobe, is_jfif=is_jfif)
            return Head(height, width, components, bits, colours, kind in _PROGRESSIVE)
        content = frame[position + 4 : position + 2 + length]
        is_jfif |= kind == _APP0 and content.startswith(b"JFIF")
        adobe = content if kind == _APP14 and content.startswith(b"Adobe") else adobe
        position += 1 if kind == 0xFF else 2 if kind in _ALONE else 2 + length
    raise Undecodable("corrupt")


def _colours(parts: bytes, adobe: bytes, *, is_jfif: bool) -> str:
    """What three components of a JPEG are. `parts`: their id, sampling and table, three bytes for each.

    Sources: T.871 (JFIF is YCbCr), T.872 6.5.3 (Adobe's marker); red, green and blue are never sampled differently.
    """
    if len(parts) != 9:
        return ""
    if parts[::3] in _RGB_NAMES:
        return RGB
    if len(set(parts[1::3])) > 1:
        return YBR
    if len(adobe) >= 12:
        return RGB if adobe[11] == 0 else YBR
    return YBR if is_jfif else ""
