"""The pictures of a file of arrays as if each were a file. They are made one after the other, in their order. Pure."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from labeling.imports import arrays
from labeling.imports.archive import Archive, Entry, EntryRefused


class ArraySource:
    """Takes the place of the archive that holds the arrays. `read` goes forward only: who asks for an earlier picture makes all
    again."""

    code_page: str | None = None

    def __init__(self, archive: Archive, names: Sequence[str]) -> None:
        self._archive = archive
        self._members = {entry.path: entry for entry in archive.entries}
        self.entries = [_entry(number, name) for number, name in enumerate(names)]
        self._pictures: Iterator[tuple[str, bytes]] = iter(())
        self._next = len(names)

    def open(self, entry: Entry) -> BinaryIO:
        return io.BytesIO(self.read(entry))

    def read(self, entry: Entry) -> bytes:
        """The picture as PNG."""
        wanted = entry.info.header_offset
        if wanted < self._next:
            self._pictures, self._next = arrays.pictures(self.member, list(self._members)), 0
        for _, picture in self._pictures:
            self._next += 1
            if self._next > wanted:
                return picture
        raise EntryRefused("damaged_entry", "The file of arrays holds fewer pictures than it says.")

    def head(self, entry: Entry, size: int) -> bytes:
        return b""

    def member(self, path: str) -> bytes:
        return self._archive.read(self._members[path])


def _entry(number: int, name: str) -> Entry:
    info = zipfile.ZipInfo(name)
    # No checksum is known: none may be equal to another one's.
    info.CRC = info.header_offset = number
    return Entry(name, info, None)
