"""What the entries of a ZIP are called. Only names that say they are UTF-8 are certain; others are bytes of some code page. Pure.

In this order (PKWARE APPNOTE 6.3.10): the Unicode Path extra field (4.6.9) if its CRC fits the stored name, the UTF-8 flag
(appendix D), UTF-8 without a flag (macOS writes so), and at last the code page in which the names fit what is looked for.
"""

import struct
import unicodedata
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from zipfile import ZipInfo

UTF8_FLAG: Final = 0x800
UNICODE_PATH: Final = 0x7075
# Of Windows in East Asia, then those of DOS and Windows in the West, in the order in which a tie is decided.
CODE_PAGES: Final = (
    "cp949", "cp932", "gb18030", "cp950", "cp437", "cp850", "cp1252", "cp852", "cp1250", "cp866", "cp1251", "cp737", "cp1253",
    "cp857", "cp1254", "cp862", "cp1255", "cp1256", "cp874", "cp1258", "mac_roman",
)  # fmt: skip
# So many names decide for all.
SAMPLE: Final = 2000
PACK_AGAIN: Final = (
    "The names in this ZIP are not UTF-8, and no code page makes them fit the project's classes: pack it with 7-Zip"
    " (parameter cu=on), or with the Windows or macOS of today."
)


@dataclass(frozen=True, slots=True)
class Names:
    """`names`: one for each entry, in order. `unsure`: places of those that are only shown somehow. `code_page`: of the others
    whose encoding was not stated, None where none was needed."""

    names: list[str]
    unsure: frozenset[int]
    code_page: str | None


def read_names(infos: Sequence[ZipInfo], wanted: Collection[str], text: str = "") -> Names:
    """`wanted`: names of folders that would be understood (the project's classes). `text`: a labels file that names files."""
    names = [_stated(info) for info in infos]
    guessed = [number for number, name in enumerate(names) if name is None]
    raw = [_raw(infos[number]) for number in guessed]
    code_page = _code_page(raw, wanted, text) if raw else None
    unsure: set[int] = set()
    for number, name in zip(guessed, raw, strict=True):
        decoded = _decoded(name, code_page) if code_page else None
        if decoded is None:
            unsure.add(number)
        names[number] = infos[number].orig_filename if decoded is None else decoded
    return Names([name or "" for name in names], frozenset(unsure), code_page)


def _raw(info: ZipInfo) -> bytes:
    """The name as it is stored. zipfile reads what has no flag as cp437, in which each byte is a character of its own."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & UTF8_FLAG else "cp437")


def _stated(info: ZipInfo) -> str | None:
    """The name where its encoding is certain."""
    raw = _raw(info)
    return _unicode_path(info.extra, raw) or _decoded(raw, "utf-8")


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The name in the field of APPNOTE 4.6.9: version 1, CRC-32 of the stored name, UTF-8. None when the name changed since."""
    for identity, content in _fields(extra):
        if identity == UNICODE_PATH and len(content) > 5 and content[0] == 1:
            (crc,) = struct.unpack("<L", content[1:5])
            if crc == zlib.crc32(raw):
                return _decoded(content[5:], "utf-8")
    return None


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:
        identity, size = struct.unpack("<HH", extra[:4])
        yield identity, extra[4 : 4 + size]
        extra = extra[4 + size :]


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _code_page(raw: Sequence[bytes], wanted: Collection[str], text: str) -> str | None:
    """The code page in which most names fit; None when they fit in none."""
    sample = raw[:: len(raw) // SAMPLE + 1]
    classes = {unicodedata.normalize("NFC", name) for name in wanted}
    text = unicodedata.normalize("NFC", text)
    fits = {page: _fit([_decoded(name, page) for name in sample], classes, text) for page in CODE_PAGES}
    best = max(CODE_PAGES, key=lambda page: fits[page])
    return best if fits[best] else None


def _fit(names: Sequence[str | None], classes: Collection[str], text: str) -> int:
    """How many names lie in a folder that is wanted or are mentioned in the text. A name in plain letters proves nothing."""
    number = 0
    for name in names:
        parts = unicodedata.normalize("NFC", name or "").replace("\\", "/").split("/")
        stem = parts[-1].rpartition(".")[0] or parts[-1]
        named = bool(text) and not stem.isascii() and stem in text
        number += named or any(part in classes and not part.isascii() for part in parts[:-1])
    return number
