"""Reading an untrusted ZIP: names checked, nothing extracted to disk, limits on the bytes that really come out.

One bad entry is refused by name (`EntryRefused`); only a file that is not a ZIP at all is refused whole (`ArchiveError`).
"""

import io
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

CHUNK: Final = 1 << 18
# The directory is read whole: this bounds it to some 100,000 entries with long names.
LARGEST_READ: Final = 16 * 2**20
MAX_NAME: Final = 500
LOCAL_HEADER: Final = 30
UTF8_FLAG, ENCRYPTED_FLAG = 0x800, 0x1
READABLE: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DRIVE: Final = re.compile(r"^[A-Za-z]:")
NOT_A_ZIP: Final = "This file is not a readable ZIP archive. Pack the scans again and send that file."
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class Limits:
    """Bytes are decompressed bytes, counted as they come. `ratio` applies once an entry has given more than `ratio_from`."""

    entry_bytes: int
    total_bytes: int
    entries: int = 100_000
    ratio: int = 200
    ratio_from: int = 2**20


class ArchiveError(Exception):
    """The file as a whole cannot be read; the message says what to do."""


class EntryRefused(Exception):
    """One entry is not taken; `code` names the reason for machines, the message for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Entry:
    """`path`: the name with forward slashes, fit to be shown. `refusal`: why it will not be read, whatever is in it."""

    path: str
    info: zipfile.ZipInfo
    refusal: EntryRefused | None


class _Bounded(io.RawIOBase):
    """The source, refusing the one huge read by which a forged directory would fill the memory."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LARGEST_READ:
            raise zipfile.BadZipFile("The directory of this ZIP is too large.")
        return self._source.read(-1 if size is None else size)


class Archive:
    """The entries of a ZIP, in order; `read` gives the bytes of one. The source stays open and belongs to the caller."""

    def __init__(self, source: BinaryIO, limits: Limits) -> None:
        self._limits = limits
        self._read_total = 0
        try:
            self._zip = zipfile.ZipFile(cast("Any", _Bounded(source)))
        except _UNREADABLE as error:
            raise ArchiveError(NOT_A_ZIP) from error
        # Not ZipInfo.is_dir(), which stumbles over an entry without a name.
        infos = [info for info in self._zip.infolist() if not info.filename.endswith("/")]
        if len(infos) > limits.entries:
            raise ArchiveError(f"This ZIP holds {len(infos)} files; {limits.entries} are allowed. Split it.")
        self.entries = list(_entries(infos, self._zip.start_dir))

    def read(self, entry: Entry, *, limit: int | None = None) -> bytes:
        """All bytes of an entry. Raises EntryRefused with `limit` (default: the entry limit) or any other limit passed."""
        if entry.refusal:
            raise entry.refusal
        allowed = self._limits.entry_bytes if limit is None else limit
        if entry.info.file_size > allowed:
            raise _too_large(allowed)
        try:
            with self._zip.open(entry.info) as source:
                return self._take(cast(BinaryIO, source), entry.info, allowed)
        except _UNREADABLE as error:
            raise EntryRefused("damaged_entry", "This entry of the ZIP is damaged. Pack it again.") from error

    def _take(self, source: BinaryIO, info: zipfile.ZipInfo, allowed: int) -> bytes:
        # Grows in place and is handed on without a copy: joining parts would take the size twice.
        whole, size = io.BytesIO(), 0
        while part := source.read(CHUNK):
            size += len(part)
            self._read_total += len(part)
            self._check(size, max(info.compress_size, 1), allowed)
            whole.write(part)
        return whole.getvalue()

    def _check(self, size: int, packed: int, allowed: int) -> None:
        if size > allowed:
            raise _too_large(allowed)
        if size > self._limits.ratio_from and size > packed * self._limits.ratio:
            raise EntryRefused(
                "zip_bomb", f"This entry unpacks to over {self._limits.ratio} times its size. It was not read."
            )
        if self._read_total > self._limits.total_bytes:
            raise EntryRefused(
                "archive_too_large",
                f"The ZIP unpacks to more than {self._limits.total_bytes} bytes. Split it; this file was not taken.",
            )


def _too_large(allowed: int) -> EntryRefused:
    return EntryRefused("too_large", f"This file is larger than the allowed {allowed} bytes.")


def _entries(infos: list[zipfile.ZipInfo], directory_start: int) -> Iterator[Entry]:
    overlapping = _overlapping(infos, directory_start)
    seen: set[str] = set()
    for number, info in enumerate(infos, 1):
        name = _decoded(info)
        path = unicodedata.normalize("NFC", name.replace("\\", "/"))
        refusal = _bad_name(name, path) or _bad_kind(info)
        path = path or f"(entry {number}, without a name)"
        if not refusal and info.header_offset in overlapping:
            refusal = EntryRefused("zip_bomb", "This entry shares its bytes with another entry. It was not read.")
        if path in seen:
            # Under a name of its own, so that the report of the first one remains.
            path = f"{path} (again, entry {number})"
            refusal = refusal or EntryRefused(
                "duplicate_path", "The ZIP holds this path twice; the first one is taken."
            )
        seen.add(path)
        yield Entry(_shown(path), info, refusal)


def _decoded(info: zipfile.ZipInfo) -> str:
    """The name as it was meant. Some packers (macOS) write UTF-8 and do not say so."""
    name = info.orig_filename
    if info.flag_bits & UTF8_FLAG:
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _shown(path: str) -> str:
    printable = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in path)
    return printable if len(printable) <= MAX_NAME else f"{printable[: MAX_NAME - 1]}…"


def _bad_name(name: str, path: str) -> EntryRefused | None:
    parts = path.split("/")
    if path.startswith("/") or DRIVE.match(path) or ".." in parts:
        return EntryRefused("unsafe_path", "This name points outside the ZIP. Use plain relative names.")
    if not name.isprintable() or not parts[-1]:
        return EntryRefused("unsafe_path", "This name is empty or holds control characters. Rename the file.")
    if len(path) > MAX_NAME:
        return EntryRefused("unsafe_path", f"This name is longer than {MAX_NAME} characters. Shorten it.")
    return None


def _bad_kind(info: zipfile.ZipInfo) -> EntryRefused | None:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return EntryRefused("not_a_file", "This entry is a link or device, not a file. Pack the file itself.")
    if info.flag_bits & ENCRYPTED_FLAG:
        return EntryRefused("encrypted_entry", "This entry is protected by a password. Pack it without one.")
    if info.compress_type not in READABLE:
        return EntryRefused("unsupported_compression", "This entry is packed in an unusual way. Use deflate or store.")
    return None


def _overlapping(infos: list[zipfile.ZipInfo], directory_start: int) -> set[int]:
    """Header offsets of entries whose bytes reach into the next entry or the directory: the trick of a flat bomb."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    ends = [info.header_offset for info in ordered[1:]] + [directory_start]
    return {
        info.header_offset
        for info, end in zip(ordered, ends, strict=False)
        if info.header_offset + LOCAL_HEADER + info.compress_size > end
    }
