"""Making a ZIP as a stream: nothing of it is ever on disk, and never more than one file of it in memory. Pure."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# A fixed time, so that equal content gives equal bytes.
TIMESTAMP = (2020, 1, 1, 0, 0, 0)


class _Sink:
    """What zipfile writes to; it cannot seek, so sizes follow each entry."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def drain(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def zip_stream(files: Iterable[tuple[str, bytes]], *, compress: bool = False) -> Iterator[bytes]:
    """The bytes of a ZIP of (path, content), piece by piece."""
    sink = _Sink()
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(cast(Any, sink), "w", method) as archive:
        for path, content in files:
            info = zipfile.ZipInfo(path, TIMESTAMP)
            info.compress_type = method
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
            yield sink.drain()
    yield sink.drain()


def folder_zip(folder: Path) -> Iterator[bytes]:
    """A folder's regular files as a ZIP, paths relative to it, in order of path."""
    return zip_stream((path.relative_to(folder).as_posix(), path.read_bytes()) for path in folder_files(folder))


def folder_files(folder: Path) -> list[Path]:
    """The regular files below a folder, in order of path. Links are left out."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


class IteratorReader(io.RawIOBase):
    """A readable file made of pieces of bytes. Front to back, once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: "WriteableBuffer", /) -> int:
        view = memoryview(target).cast("B")
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._held = memoryview(piece)
        count = min(len(view), len(self._held))
        view[:count], self._held = self._held[:count], self._held[count:]
        return count


def reader(pieces: Iterator[bytes]) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(IteratorReader(pieces), 1 << 18))
