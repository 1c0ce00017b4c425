"""A folder of this machine, looked at like the ZIP that it would be packed into. Pure."""

import unicodedata
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from labeling.imports.archive import Entry
from labeling.zipstream import folder_files


class Folder:
    """The same as `archive.Archive`, for a preview."""

    code_page: str | None = None

    def __init__(self, folder: Path) -> None:
        self._paths = folder_files(folder)
        sizes = Counter(path.stat().st_size for path in self._paths)
        self.entries = [self._entry(folder, number, path, sizes) for number, path in enumerate(self._paths)]

    def _entry(self, folder: Path, number: int, path: Path, sizes: Counter[int]) -> Entry:
        info = zipfile.ZipInfo(unicodedata.normalize("NFC", path.relative_to(folder).as_posix()))
        info.file_size = path.stat().st_size
        # Only files of one size can be equal: of the others no checksum is asked for.
        info.CRC = zlib.crc32(path.read_bytes()) if sizes[info.file_size] > 1 else 0
        info.header_offset = number
        return Entry(info.filename, info, None)

    def open(self, entry: Entry) -> BinaryIO:
        return self._paths[entry.info.header_offset].open("rb")

    def read(self, entry: Entry) -> bytes:
        return self._paths[entry.info.header_offset].read_bytes()

    def head(self, entry: Entry, size: int) -> bytes:
        with self.open(entry) as source:
            return source.read(size)
