"""What the codestream of one frame says about itself, compared with the DICOM header before a decoder allocates memory.

A few bytes can announce a picture of 60,000 by 60,000 inside a file whose header says 10 by 10; and a codestream that
was cut still gives a picture, grey from somewhere on. Source: T.81 annex B, T.87 annex C, T.800 annex A.
"""

import struct
from typing import Final

from images.decoding.errors import Undecodable

_SIZ: Final = b"\xff\x4f\xff\x51"  # start of a JPEG 2000 codestream, then its size marker
_JP2: Final = b"\x00\x00\x00\x0cjP  "
_JPEG_END: Final = b"\xff\xd9"
_TAIL: Final = 64  # some devices append a few bytes
_FRAME_HEADERS: Final = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15, and JPEG-LS
_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD9)))
_SCAN: Final = 0xDA

_DISAGREES: Final = "The DICOM header and the picture in it disagree about its size. Export the scan again."


_ENOUGH: Final = 16 * 2**20
_RATIO: Final = 500  # a mostly black radiograph packs to a hundredth
BOMB: Final = Undecodable(
    "too_large", "Unpacked, the picture is larger than any scan that packs so well. Export the scan uncompressed."
)


def most_unpacked(packed: int) -> int:
    """How many bytes of a scan the given number of packed bytes can hold; more than this is a bomb."""
    return max(_ENOUGH, _RATIO * packed)


def check(frame: bytes, rows: int, columns: int, samples: int) -> None:
    """Raise Undecodable where a JPEG, JPEG-LS or JPEG 2000 frame is cut, a bomb, or not of the size in the header."""
    if rows * columns * samples > most_unpacked(len(frame)):
        raise BOMB
    if _JPEG_END not in frame.rstrip(b"\x00")[-_TAIL:]:
        raise Undecodable("truncated")
    try:
        height, width, components = _size_2000(frame) if frame[:2] != b"\xff\xd8" else _size_jpeg(frame)
    except struct.error as error:
        raise Undecodable("truncated") from error
    if (height, width) != (rows, columns) or components != samples:
        raise Undecodable("corrupt", _DISAGREES)


def _size_2000(frame: bytes) -> tuple[int, int, int]:
    start = frame.find(_SIZ) if frame.startswith(_JP2) else 0
    if start < 0 or frame[start : start + 4] != _SIZ:
        raise Undecodable("corrupt")
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    tile_width, tile_height = struct.unpack_from(">2I", frame, start + 24)
    (components,) = struct.unpack_from(">H", frame, start + 40)
    tiles = -(-right // max(1, tile_width)) * -(-bottom // max(1, tile_height))
    if tiles > 65_535 or not (tile_width and tile_height):
        raise Undecodable("corrupt")
    return bottom - top, right - left, components


def _size_jpeg(frame: bytes) -> tuple[int, int, int]:
    position = 2
    while True:
        mark, kind, length = struct.unpack_from(">BBH", frame, position)
        if mark != 0xFF or kind == _SCAN:
            raise Undecodable("corrupt")
        if kind in _FRAME_HEADERS:
            height, width, components = struct.unpack_from(">HHB", frame, position + 5)
            return height, width, components
        position += 1 if kind == 0xFF else 2 if kind in _ALONE else 2 + length
