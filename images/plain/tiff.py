"""TIFF without the tags that say more than the picture: the pages are rewritten, their blocks of pixels as they were. Pure."""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from images.plain.errors import NotPlain

# Format character of struct by TIFF type: numbers only. Text (2) is never kept.
TYPES: Final = {
    1: "B",
    3: "H",
    4: "I",
    5: "II",
    6: "b",
    7: "B",
    8: "h",
    9: "i",
    10: "ii",
    11: "f",
    12: "d",
    13: "I",
    16: "Q",
}
LONG: Final = 4
STRIPS, STRIP_SIZES, TILES, TILE_SIZES = 273, 279, 324, 325
COMPRESSION, JPEG_TABLES, JPEG, OLD_JPEG = 259, 347, 7, 6
# TIFF 6.0 and its supplements: how the pixels are stored and shown. None of them is text.
KEPT: Final = frozenset({
    254, 255, 256, 257, 258, 259, 262, 263, 266, 274, 277, 278, 280, 281, 282, 283, 284, 290, 291, 292, 293, 296, 297, 301,
    317, 318, 319, 320, 321, 322, 323, 332, 334, 336, 338, 339, 340, 341, 347, 529, 530, 531, 532,
})  # fmt: skip
MOST_PAGES: Final = 10_000


@dataclass(frozen=True)
class _Tag:
    kind: int
    values: tuple[Any, ...]


_Page = dict[int, _Tag]


def plain(data: bytes, *, jpeg: Callable[[bytes], bytes]) -> bytes:
    """The same pages with the tags of `KEPT`, as classic TIFF. `jpeg` cleans blocks that are JPEG streams. NotPlain."""
    reader = _Reader(data)
    out = bytearray(data[:2] + struct.pack(f"{reader.order}HI", 42, 0))
    link = 4
    for page in reader.pages():
        blocks = reader.blocks(page, jpeg)
        tags = {number: tag for number, tag in page.items() if number in KEPT}
        if JPEG_TABLES in tags:
            tags[JPEG_TABLES] = _Tag(7, tuple(jpeg(bytes(tags[JPEG_TABLES].values))))
        link = _write(out, reader.order, tags, blocks, tiled=TILES in page, link=link)
    return bytes(out)


class _Reader:
    """Reads classic TIFF and BigTIFF."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
        magic = struct.unpack_from(f"{self.order}H", data, 2)[0] if self.order else 0
        if magic not in (42, 43):
            raise NotPlain("The file is not a TIFF.")
        # Formats of: an offset, the number of tags of a page, one tag.
        self.big = magic == 43
        self.offset, self.count, self.entry = ("Q", "Q", "HHQ8s") if self.big else ("I", "H", "HHI4s")

    def _get(self, form: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(self.order + form, self.data, at)

    def pages(self) -> Iterator[_Page]:
        seen: set[int] = set()
        at = self._get(self.offset, 8 if self.big else 4)[0]
        while at:
            if at in seen or len(seen) >= MOST_PAGES:
                raise NotPlain("The pages of the TIFF file run in a circle, or there are too many.")
            seen.add(at)
            page, at = self._page(at)
            yield page

    def _page(self, at: int) -> tuple[_Page, int]:
        number = self._get(self.count, at)[0]
        at += struct.calcsize("=" + self.count)
        size = struct.calcsize("=" + self.entry)
        wanted = KEPT | {STRIPS, STRIP_SIZES, TILES, TILE_SIZES}
        page: _Page = {}
        for place in range(at, at + number * size, size):
            tag, kind, count, inline = self._get(self.entry, place)
            if tag in wanted and kind in TYPES:
                page[tag] = _Tag(kind, self._values(kind, count, inline))
        return page, self._get(self.offset, at + number * size)[0]

    def _values(self, kind: int, count: int, inline: bytes) -> tuple[Any, ...]:
        size = struct.calcsize("=" + TYPES[kind]) * count
        if size > len(self.data):
            raise NotPlain("A tag of the TIFF file is longer than the file.")
        form = f"{self.order}{count * len(TYPES[kind])}{TYPES[kind][0]}"
        if size <= len(inline):
            return struct.unpack_from(form, inline)
        return struct.unpack_from(form, self.data, struct.unpack(self.order + self.offset, inline)[0])

    def blocks(self, page: _Page, jpeg: Callable[[bytes], bytes]) -> list[bytes]:
        """The strips or tiles of a page, as they are stored."""
        compression = page.get(COMPRESSION, _Tag(3, (1,))).values[0]
        starts, sizes = (TILES, TILE_SIZES) if TILES in page else (STRIPS, STRIP_SIZES)
        if compression == OLD_JPEG or starts not in page or sizes not in page:
            raise NotPlain("The pixels of the TIFF file are stored in an outdated way.")
        blocks = []
        for start, size in zip(page[starts].values, page[sizes].values, strict=True):
            if start + size > len(self.data):
                raise NotPlain("The file ends inside one of its parts.")
            block = self.data[start : start + size]
            blocks.append(jpeg(block) if compression == JPEG else block)
        return blocks


def _write(out: bytearray, order: str, tags: _Page, blocks: Sequence[bytes], *, tiled: bool, link: int) -> int:
    """Append a page and point `link` to it; returns where the next page is to be linked."""
    starts = []
    for block in blocks:
        starts.append(len(out))
        out += block
    places, sizes = (TILES, TILE_SIZES) if tiled else (STRIPS, STRIP_SIZES)
    page = {**tags, places: _Tag(LONG, tuple(starts)), sizes: _Tag(LONG, tuple(map(len, blocks)))}
    fields = {number: _packed(order, tag) for number, tag in sorted(page.items())}
    out += b"\0" * (len(out) % 2)
    struct.pack_into(f"{order}I", out, link, len(out))
    beyond = len(out) + 2 + 12 * len(fields) + 4
    out += struct.pack(f"{order}H", len(fields))
    tail = b""
    for number, (kind, count, value) in fields.items():
        out += struct.pack(f"{order}HHI", number, kind, count)
        out += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(f"{order}I", beyond + len(tail))
        tail += value + b"\0" * (len(value) % 2) if len(value) > 4 else b""
    link = len(out)
    out += b"\0\0\0\0" + tail
    return link


def _packed(order: str, tag: _Tag) -> tuple[int, int, bytes]:
    """Type, count and bytes of a value. Classic TIFF has no 8-byte numbers: those of a BigTIFF become 4 bytes."""
    kind = LONG if tag.kind == 16 else tag.kind
    form = TYPES[kind]
    return kind, len(tag.values) // len(form), struct.pack(f"{order}{len(tag.values)}{form[0]}", *tag.values)
