"""A first walk over a DICOM file that trusts no length: where its parts are, and that they are all there.

pydicom reads on without a word where a value is shorter than announced, unpacks a deflated file without a bound, and
copies a nested sequence once per level. This walk is iterative, copies nothing and counts, so that what reaches pydicom
is complete and of a bounded depth and number of elements. Source of the encodings: PS3.5 chapter 7, PS3.10 chapter 7.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from pydicom import uid
from pydicom._dicom_dict import DicomDictionary

from images.decoding.dicom.codestream import BOMB, most_unpacked
from images.decoding.errors import Undecodable

MAX_ELEMENTS: Final = 100_000  # an item counts for four: it costs pydicom as much
_ITEM_COST: Final = 4
MAX_DEPTH: Final = 16
MAX_NESTED_BYTES: Final = 128 * 2**20  # sequences of defined length, counted once per level

_PREAMBLE: Final = 132
_UNDEFINED: Final = 0xFFFFFFFF
_LONG: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_VRS: Final = _LONG | {
    b"AE",
    b"AS",
    b"AT",
    b"CS",
    b"DA",
    b"DS",
    b"DT",
    b"FD",
    b"FL",
    b"IS",
    b"LO",
    b"LT",
    b"PN",
    b"SH",
    b"SL",
    b"SS",
    b"ST",
    b"TM",
    b"UI",
    b"UL",
    b"US",
}
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SYNTAX: Final = 0x00020010
_PIXELS: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
_SEQUENCES: Final = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")

_NESTED: Final = Undecodable(
    "corrupt",
    "The DICOM file has more data elements, or deeper nested ones, than any picture needs. Export the scan again.",
)
_NO_SYNTAX: Final = Undecodable(
    "corrupt",
    "The DICOM file does not say how it is written (no transfer syntax). Export the scan again from the archive.",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """The transfer syntax, the data set's bytes (unpacked, up to the end of the pixels), and how they are written."""

    syntax: str
    meta: bytes
    body: bytes
    implicit: bool
    little: bool
    has_pixels: bool
    tail: bool  # whether anything but padding follows the pixels
    is_other: bool  # whether it is written in another way than its transfer syntax says


def layout(data: bytes, max_bytes: int) -> Layout:
    """Check the structure of a whole file. Raises Undecodable: truncated, corrupt, or too_large when unpacked."""
    syntax, start = _meta(data)
    body = data[start:]
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        body = _inflated(body, max_bytes)
    said = syntax == uid.ImplicitVRLittleEndian, syntax != uid.ExplicitVRBigEndian
    implicit, little = _written(body) or said
    end, has_pixels = _Walk(body, implicit=implicit, little=little).run()
    tail, is_other = _is_tail(body[end : end + 4]), (implicit, little) != said
    return Layout(syntax, data[_PREAMBLE:start], body[:end], implicit, little, has_pixels, tail, is_other)


def _written(body: bytes) -> tuple[bool, bool] | None:
    """Whether a data set has no VRs, and is little-endian, by its first element; None where that does not tell.

    Tools that convert files forget to say so. A data set begins with a group below 0x0100, which shows the order of its
    bytes; a VR behind the tag is no length that an element in front of the pixels could have.
    """
    if len(body) < 8 or (body[0] == 0) == (body[1] == 0):
        return None
    little = body[1] == 0
    explicit = body[4:6] in _VRS
    return (not explicit, little) if explicit or little else None


def _meta(data: bytes) -> tuple[str, int]:
    """The transfer syntax and where the data set starts. The file meta information is explicit little endian."""
    position, syntax = _PREAMBLE, ""
    while position + 8 <= len(data) and data[position : position + 2] == b"\x02\x00":
        tag, length, value = _explicit(data, position, little=True)
        if value + length > len(data):
            raise Undecodable("truncated")
        if tag == _SYNTAX:
            syntax = data[value : value + length].decode("ascii", "replace").strip("\x00 ")
        position = value + length
    if not syntax:
        raise _NO_SYNTAX if position + 8 <= len(data) else Undecodable("truncated")
    return syntax, position


def _is_tail(head: bytes) -> bool:
    """False for nothing, for Data Set Trailing Padding (FFFC,FFFC), and for zeros."""
    return head.strip(b"\x00") not in (b"", b"\xfc\xff\xfc\xff", b"\xff\xfc\xff\xfc")


def _inflated(packed: bytes, max_bytes: int) -> bytes:
    unpacker, most = zlib.decompressobj(-zlib.MAX_WBITS), min(max_bytes, most_unpacked(len(packed)))
    try:
        body = unpacker.decompress(packed, most + 1)
    except zlib.error as error:
        raise Undecodable("corrupt") from error
    if len(body) > most:
        raise BOMB
    if not unpacker.eof:
        raise Undecodable("truncated")
    return body


def _explicit(data: bytes, position: int, *, little: bool) -> tuple[int, int, int]:
    """Tag, length and position of the value of an element with a written VR. struct.error at the end of the data."""
    order = "<" if little else ">"
    group, element, kind, length = struct.unpack_from(order + "HH2sH", data, position)
    if kind not in _LONG:
        return group << 16 | element, length, position + 8
    (length,) = struct.unpack_from(order + "I", data, position + 8)
    return group << 16 | element, length, position + 12


@dataclass(slots=True)
class _Level:
    """A sequence or an item that is open: its end, None where a delimiter ends it."""

    end: int | None
    implicit: bool
    is_sequence: bool


class _Walk:
    def __init__(self, data: bytes, *, implicit: bool, little: bool) -> None:
        self.data = data
        self.order = "<" if little else ">"
        self.stack: list[_Level] = []
        self.implicit = implicit
        self.elements = self.nested_bytes = self.position = 0

    def run(self) -> tuple[int, bool]:
        """The end of the pixel data (of the data set where it has none) and whether there are pixels."""
        try:
            while self.position < len(self.data):
                self.elements += 1
                if self.elements > MAX_ELEMENTS:
                    raise _NESTED
                if self._step():
                    return self.position, True
                self._close_levels()
        except struct.error as error:
            raise Undecodable("truncated") from error
        if self.stack:
            raise Undecodable("truncated")
        return self.position, False

    def _step(self) -> bool:
        """Go over one element or delimiter; True once the pixel data of the file itself is behind."""
        implicit = self.stack[-1].implicit if self.stack else self.implicit
        tag, kind, length, value = self._head(implicit=implicit)
        self.position = value
        if tag >> 16 == 0xFFFE:
            self._delimiter(tag, length, implicit=implicit)
        elif tag in _PIXELS:
            self.position = self._fragments_end() if length == _UNDEFINED else self._inside(value + length)
            return not self.stack
        elif kind == b"SQ" or length == _UNDEFINED or (tag in _SEQUENCES and kind in (b"", b"UN")):
            # A sequence under VR UN is written implicitly (PS3.5 section 6.2.2).
            self._open(length, implicit=implicit or kind == b"UN", is_sequence=True)
        else:
            self.position = self._inside(value + length)
        return False

    def _head(self, *, implicit: bool) -> tuple[int, bytes, int, int]:
        group, element = struct.unpack_from(self.order + "HH", self.data, self.position)
        kind = self.data[self.position + 4 : self.position + 6]
        if implicit or group == 0xFFFE or not kind.isupper():
            (length,) = struct.unpack_from(self.order + "I", self.data, self.position + 4)
            return group << 16 | element, b"", length, self.position + 8
        tag, length, value = _explicit(self.data, self.position, little=self.order == "<")
        return tag, kind, length, value

    def _delimiter(self, tag: int, length: int, *, implicit: bool) -> None:
        if tag == _ITEM and self.stack and self.stack[-1].is_sequence:
            self.elements += _ITEM_COST - 1
            self._open(length, implicit=implicit, is_sequence=False)
        elif tag in (_ITEM_END, _SEQUENCE_END) and self.stack and self.stack[-1].end is None:
            self.stack.pop()
        else:
            raise Undecodable("corrupt")

    def _open(self, length: int, *, implicit: bool, is_sequence: bool) -> None:
        end = None if length == _UNDEFINED else self._inside(self.position + length)
        self.nested_bytes += length if end is not None and is_sequence else 0
        self.stack.append(_Level(end, implicit, is_sequence))
        if len(self.stack) > 2 * MAX_DEPTH or self.nested_bytes > MAX_NESTED_BYTES:
            raise _NESTED

    def _close_levels(self) -> None:
        while self.stack and self.stack[-1].end is not None and self.position >= self.stack[-1].end:
            self.stack.pop()

    def _inside(self, end: int) -> int:
        """The end of a value, which may not lie behind that of what encloses it."""
        ends = [level.end for level in self.stack if level.end is not None]
        if end > (ends[-1] if ends else len(self.data)):
            raise Undecodable("truncated")
        return end

    def _fragments_end(self) -> int:
        """Behind the delimiter of encapsulated pixel data."""
        position = self.position
        while True:
            group, element, length = struct.unpack_from(self.order + "HHI", self.data, position)
            position += 8
            if (group << 16 | element) == _SEQUENCE_END:
                return self._inside(position)
            if (group << 16 | element) != _ITEM or position + length > len(self.data):
                raise Undecodable("truncated")
            position += length
