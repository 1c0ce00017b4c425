"""Reading an untrusted ZIP: names checked, nothing extracted to disk, limits on the bytes that really come out.

One bad entry is refused by name (`EntryRefused`); only a file that is not a ZIP at all is refused whole (`ArchiveError`).
"""

import codecs
import contextlib
import io
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final, cast

from labeling.imports.limited import Limited
from labeling.imports.zipnames import Names, read_names

CHUNK: Final = 1 << 18
# The directory is read whole: this bounds it to some 100,000 entries with long names.
LARGEST_READ: Final = 16 * 2**20
MAX_NAME: Final = 500
LOCAL_HEADER: Final = 30
TABLES: Final = (".csv", ".tsv", ".txt", ".json", ".yaml", ".yml")
LARGEST_LISTING: Final = 4 * 2**20
ENCRYPTED_FLAG: Final = 0x1
DOS_FOLDER: Final = 0x10
READABLE: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DRIVE: Final = re.compile(r"^[A-Za-z]:")
NOT_A_ZIP: Final = "This file is not a readable ZIP archive. Pack the scans again and send that file."
NOT_UTF8: Final = (
    "This ZIP says that its names are UTF-8, and they are not. Pack the scans again with 7-Zip and send that file."
)
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
    """`path`: the name with forward slashes, fit to be shown. `refusal`: why it will not be read, whatever is in it.

    `unsure`: the name is of an unknown code page, and only its letters from A to Z are right."""

    path: str
    info: zipfile.ZipInfo
    refusal: EntryRefused | None
    unsure: bool = False

    @property
    def size(self) -> int:
        """Bytes, as the directory says."""
        return self.info.file_size

    @property
    def checksum(self) -> int:
        """CRC-32 of the content, as the directory says; reading checks it."""
        return self.info.CRC


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
    """The entries of a ZIP, in order; `read` gives the bytes of one. The source stays open and belongs to the caller.

    `wanted`: names of folders that would be understood, by which the code page of unmarked names is found."""

    def __init__(self, source: BinaryIO, limits: Limits, wanted: Collection[str] = ()) -> None:
        self._limits = limits
        self._read_total = 0
        try:
            self._zip = zipfile.ZipFile(cast("Any", _Bounded(source)))
        except UnicodeDecodeError as error:
            raise ArchiveError(NOT_UTF8) from error
        except _UNREADABLE as error:
            raise ArchiveError(NOT_A_ZIP) from error
        infos = self._zip.infolist()
        names = read_names(infos, wanted)
        if names.unsure:
            names = read_names(infos, wanted, self._listing(infos))
        self.code_page = names.code_page
        files = [number for number, info in enumerate(infos) if not _is_folder(info, names.names[number])]
        if len(files) > limits.entries:
            raise ArchiveError(f"This ZIP holds {len(files)} files; {limits.entries} are allowed. Split it.")
        self.entries = list(_entries(infos, names, files, self._zip.start_dir))

    def _listing(self, infos: Sequence[zipfile.ZipInfo]) -> str:
        """The text of the first small table with a plain name: it may name the files whose own names are unclear."""
        for info in infos:
            name = info.orig_filename
            if name.isascii() and name.lower().endswith(TABLES) and info.file_size <= LARGEST_LISTING:
                with contextlib.suppress(EntryRefused):
                    data = self.read(Entry(name, info, _bad_kind(info)))
                    return data.decode(
                        "utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8", "replace"
                    )
        return ""

    def head(self, entry: Entry, size: int) -> bytes:
        """The first bytes of an entry, none where it cannot be read: `read` will say why."""
        if entry.refusal:
            return b""
        try:
            with self._zip.open(entry.info) as source:
                return source.read(size)
        except _UNREADABLE:
            return b""

    def open(self, entry: Entry) -> BinaryIO:
        """An entry to be read piece by piece, whatever its size. Raises EntryRefused, also while it is read, with any limit
        passed."""
        if entry.refusal:
            raise entry.refusal
        try:
            source = cast(BinaryIO, self._zip.open(entry.info))
        except _UNREADABLE as error:
            raise _damaged() from error
        return cast(
            BinaryIO,
            io.BufferedReader(
                Limited(source, partial(self._count, max(entry.info.compress_size, 1)), _UNREADABLE, _damaged)
            ),
        )

    def read(self, entry: Entry) -> bytes:
        """All bytes of an entry. Raises EntryRefused with any limit passed."""
        allowed = self._limits.entry_bytes
        if entry.refusal is None and entry.info.file_size > allowed:
            raise _too_large(allowed)
        # Grows in place and is handed on without a copy: joining parts would take the size twice.
        whole, size = io.BytesIO(), 0
        with self.open(entry) as source:
            while part := source.read(CHUNK):
                size += len(part)
                if size > allowed:
                    raise _too_large(allowed)
                whole.write(part)
        return whole.getvalue()

    def _count(self, packed: int, part: int, size: int) -> None:
        """`part` bytes more have come out of an entry, `size` in all."""
        self._read_total += part
        if size > self._limits.ratio_from and size > packed * self._limits.ratio:
            raise EntryRefused(
                "zip_bomb", f"This entry unpacks to over {self._limits.ratio} times its size. It was not read."
            )
        if self._read_total > self._limits.total_bytes:
            raise EntryRefused(
                "archive_too_large",
                f"The ZIP unpacks to more than {self._limits.total_bytes} bytes. Split it; this file is not taken.",
            )


def _damaged() -> EntryRefused:
    return EntryRefused("damaged_entry", "This entry of the ZIP is damaged. Pack it again.")


def _too_large(allowed: int) -> EntryRefused:
    return EntryRefused("too_large", f"This file is larger than the allowed {allowed} bytes.")


def _is_folder(info: zipfile.ZipInfo, name: str) -> bool:
    """Told by the name as it was meant: in some code pages the second byte of a letter is that of a backslash. .NET and old
    Windows programs end the names of folders with one."""
    if name.endswith("/"):
        return True
    if info.file_size:
        return False
    return name.endswith("\\") or stat.S_ISDIR(info.external_attr >> 16) or bool(info.external_attr & DOS_FOLDER)


def _entries(
    infos: Sequence[zipfile.ZipInfo], names: Names, files: Sequence[int], directory_start: int
) -> Iterator[Entry]:
    overlapping = _overlapping([infos[number] for number in files], directory_start)
    seen: set[str] = set()
    for number, at in enumerate(files, 1):
        info, name = infos[at], names.names[at]
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
        yield Entry(_shown(path), info, refusal, at in names.unsure)


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
