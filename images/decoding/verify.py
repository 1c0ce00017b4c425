"""What Pillow does not check or does not say: PNG checksums, and why a file could not be read."""

import struct
import zlib
from typing import Final

from PIL import Image

from images.decoding.errors import Undecodable

_PNG_HEAD: Final = 8
_ANCILLARY: Final = 0x20
_JPEG_END: Final = b"\xff\xd9"
_JPEG_TAIL: Final = 4096  # some devices append a little after the end of the image


def check_container(data: bytes, fmt: str) -> None:
    """Raise Undecodable where a PNG lacks its end or a critical chunk fails its CRC (Pillow's load() skips both)."""
    if fmt != "PNG":
        return
    view, position, kind = memoryview(data), _PNG_HEAD, b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise Undecodable("truncated")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise Undecodable("truncated")
        if not kind[0] & _ANCILLARY and zlib.crc32(view[position + 4 : end - 4]) != _crc(data, end - 4):
            raise Undecodable("corrupt")
        position = end


def explain(error: Exception, data: bytes, fmt: str) -> Undecodable:
    """The error a doctor gets for what Pillow raised; nothing of Pillow's own text is passed on."""
    text = str(error).lower()
    if isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
        return Undecodable("too_large")
    if isinstance(error, ValueError) and ("too large" in text or "too much memory" in text):
        return Undecodable(
            "too_large",
            "The file carries a text block that grows to an extreme size when it is unpacked. "
            "Export the scan again without comments and upload that file.",
        )
    if "truncated" in text or "less than expected" in text or _ends_early(data, fmt):
        return Undecodable("truncated")
    return Undecodable("corrupt")


def _ends_early(data: bytes, fmt: str) -> bool:
    if fmt == "DICOM":  # its structure was checked to be whole before anything else read it
        return False
    if fmt == "JPEG":
        return _JPEG_END not in data[-_JPEG_TAIL:]
    try:
        check_container(data, fmt)
    except Undecodable as error:
        return error.code == "truncated"
    return False


def _crc(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 4], "big")
