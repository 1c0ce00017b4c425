"""Walks over the containers of pictures: how many parts they have, and whether they are whole. FORMATS says which for what.

A file of some megabytes can hold millions of empty chunks, segments or pages, each of which costs Pillow far more than
it costs the sender. Counting them here, before Pillow reads them one by one in Python, takes a fraction of a second; what
has more than any picture needs is refused. Damage is left to Pillow and the checks: counting stops where the structure makes
no sense.
"""

import struct
import zlib
from typing import Final

from images.decoding.errors import Undecodable

MAX_PARTS: Final = 50_000  # a PNG of 200 MB in the usual chunks of 8 KiB has half as many
MAX_SEGMENTS: Final = 5_000
MAX_JUNK: Final = 2**16  # bytes between two segments of a JPEG, added up
MAX_SCANS: Final = 100
MAX_SCANNED: Final = 2 * 10**9  # pixels times scans of a progressive JPEG
MAX_PAGES: Final = 10_000

_TYPE_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8}
_START_OF_SCAN: Final = 0xDA
_PNG_HEAD: Final = 8
_ANCILLARY: Final = 0x20
_JPEG_END: Final = b"\xff\xd9"
_JPEG_TAIL: Final = 4096  # some devices append a little after the end of the image
_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD9)))

_TOO_MANY: Final = Undecodable(
    "corrupt", "The file is made of more parts than any picture needs. Export the scan as a plain PNG or JPEG."
)


def nothing(data: bytes) -> None:
    """The check of a format whose files Pillow reads to their end by itself."""


def never(data: bytes) -> bool:
    """For a format in which a missing end looks like any other damage."""
    return False


def check_scans(data: bytes, pixels: int, *, progressive: bool) -> None:
    """Raise Undecodable for a JPEG that goes over its pixels again and again, or is far too short for them.

    FF DA cannot occur inside a scan. Without progression each block of 64 pixels takes two bits at least; where they
    are missing, libjpeg makes them up in grey without an error.
    """
    if not progressive and len(data) < pixels / (64 * 4):
        raise Undecodable("truncated")
    scans = data.count(b"\xff\xda")
    if scans > MAX_SCANS or (scans > 1 and scans * pixels > MAX_SCANNED):
        raise _TOO_MANY


def png_parts(data: bytes) -> int:
    position = _PNG_HEAD
    for _ in range(MAX_PARTS):
        if position + 8 > len(data):
            return 1
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    raise _TOO_MANY


def check_png(data: bytes) -> None:
    """Raise Undecodable where the end is missing or a critical chunk fails its CRC: Pillow's load() skips both."""
    view, position, kind = memoryview(data), _PNG_HEAD, b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise Undecodable("truncated")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise Undecodable("truncated")
        checksum = int.from_bytes(data[end - 4 : end], "big")
        if not kind[0] & _ANCILLARY and zlib.crc32(view[position + 4 : end - 4]) != checksum:
            raise Undecodable("corrupt")
        position = end


def png_ends_early(data: bytes) -> bool:
    try:
        check_png(data)
    except Undecodable as error:
        return error.code == "truncated"
    return False


def jpeg_ends_early(data: bytes) -> bool:
    return _JPEG_END not in data[-_JPEG_TAIL:]


def jpeg_parts(data: bytes) -> int:
    position, junk = 2, 0
    for _ in range(MAX_SEGMENTS):
        mark = data.find(b"\xff", position)
        kind_at = mark + 1
        while 0 < kind_at < len(data) and data[kind_at] == 0xFF and kind_at - mark <= MAX_JUNK:
            kind_at += 1
        junk += kind_at - position - 1
        if junk > MAX_JUNK:
            raise _TOO_MANY
        if mark < 0 or kind_at + 3 > len(data) or data[kind_at] == _START_OF_SCAN:
            break
        alone = data[kind_at] in _ALONE
        position = kind_at + 1 + (0 if alone else int.from_bytes(data[kind_at + 1 : kind_at + 3], "big"))
    else:
        raise _TOO_MANY
    if mark < 0 and len(data) - position > MAX_JUNK:
        raise _TOO_MANY
    return 1


def tiff_pages(data: bytes) -> int:
    """Follow the chain of pages; the sizes of all tags together may not be larger than a few times the file."""
    order, is_big = ("<" if data[:2] == b"II" else ">"), data[2:4] in (b"+\x00", b"\x00+")
    head, entry, link = ("Q", "HHQQ", "Q") if is_big else ("H", "HHII", "I")
    pages: set[int] = set()
    announced = parts = 0
    try:
        (at,) = struct.unpack_from(order + link, data, 8 if is_big else 4)
        while at and at not in pages:
            pages.add(at)
            (count,) = struct.unpack_from(order + head, data, at)
            at += struct.calcsize(order + head)
            parts += count
            if parts > 4 * MAX_PARTS or len(pages) > MAX_PAGES:
                raise _TOO_MANY
            entries = struct.Struct(order + entry)
            for number in range(count):
                _, kind, values, _ = entries.unpack_from(data, at + number * entries.size)
                announced += min(len(data), values * _TYPE_BYTES.get(kind, 1))
            if announced > 4 * len(data) + MAX_JUNK:
                raise _TOO_MANY
            (at,) = struct.unpack_from(order + link, data, at + count * entries.size)
    except struct.error:
        pass
    return max(1, len(pages))
