"""A picture file without anything but its picture: every pixel as it was, no EXIF, no text, no revealing tag. Pure.

Nothing is decoded. The file is taken apart into its segments, chunks or tags, and only those that a decoder needs are put
together again; so a file that holds nothing else comes out bit for bit as it went in. The rest is removed for what it may hold:
colour profiles have descriptions, thumbnails show what was cropped, and after the end of a picture anything may follow.
"""

import functools
import re
import struct
from collections.abc import Callable, Iterator
from typing import Final

from images.plain import tiff as pages
from images.plain.errors import NotPlain

PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC: Final = b"\xff\xd8"
# PNG (third edition) section 11: what makes the picture, with the most bytes each may have; 0: no limit.
PNG_CHUNKS: Final = {
    b"IHDR": 13, b"PLTE": 768, b"IDAT": 0, b"IEND": 0, b"tRNS": 256, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"sBIT": 4,
    b"pHYs": 9, b"bKGD": 6,
}  # fmt: skip
# ITU T.81 table B.1: frames, Huffman and arithmetic tables, scans, quantisation, lines, restarts, hierarchy.
JPEG_SEGMENTS: Final = frozenset({*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF})
JFIF, ADOBE, SCAN, END = 0xE0, 0xEE, 0xDA, 0xD9
# Within a scan: the next marker that is not a stuffed byte, restart or fill.
_AFTER_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _taken_apart(clean: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The function, with NotPlain for a file that is built in an unknown way."""

    @functools.wraps(clean)
    def plain(data: bytes) -> bytes:
        try:
            return clean(data)
        except (struct.error, IndexError, ValueError, TypeError) as error:
            raise NotPlain("The parts of the file do not fit together.") from error

    return plain


@_taken_apart
def png(data: bytes) -> bytes:
    return PNG_MAGIC + b"".join(_png(data))


@_taken_apart
def jpeg(data: bytes) -> bytes:
    return b"".join(_jpeg(data))


@_taken_apart
def tiff(data: bytes) -> bytes:
    return pages.plain(data, jpeg=lambda part: b"".join(_jpeg(part)))


def _png(data: bytes) -> Iterator[bytes]:
    at = len(PNG_MAGIC)
    while True:
        size, kind = struct.unpack_from(">I4s", data, at)
        chunk, at = data[at : at + 12 + size], at + 12 + size
        if kind in PNG_CHUNKS and size <= (PNG_CHUNKS[kind] or size):
            yield chunk
        if kind == b"IEND":
            return


def _jpeg(data: bytes) -> Iterator[bytes]:
    yield JPEG_MAGIC
    at = len(JPEG_MAGIC)
    while True:
        marker, at = _marker(data, at)
        if marker == END:
            yield b"\xff\xd9"
            return
        size = struct.unpack_from(">H", data, at)[0]
        segment, at = data[at : at + size], at + size
        if cleaned := _segment(marker, segment):
            yield b"\xff" + bytes([marker]) + cleaned
        if marker == SCAN:
            after = _AFTER_SCAN.search(data, at)
            end = after.start() if after else len(data)
            yield data[at:end]
            # A decoder forgives a missing end; everything that follows is made as if it were there.
            data, at = (data, end) if after else (b"\xff\xd9", 0)


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """The next marker and where it ends; fill bytes before it are skipped."""
    if data[at] != 0xFF:
        raise NotPlain("A JPEG segment does not begin with a marker.")
    while data[at] == 0xFF:
        at += 1
    return data[at], at + 1


def _segment(marker: int, segment: bytes) -> bytes:
    """What is kept of a segment: all, a part, or nothing."""
    if marker in JPEG_SEGMENTS:
        return segment
    # Both say how the colours are coded. JFIF: the header without its thumbnail; Adobe: the header without its tail.
    if marker == JFIF and segment[2:7] == b"JFIF\0" and len(segment) >= 16:
        return segment if len(segment) == 16 else b"\x00\x10" + segment[2:14] + b"\0\0"
    if marker == ADOBE and segment[2:7] == b"Adobe" and len(segment) >= 14:
        return b"\x00\x0e" + segment[2:14]
    return b""
