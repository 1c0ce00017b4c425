"""Files on disk that are there whole before anything refers to them, even after a power cut."""

import os
import shutil
from pathlib import Path
from typing import IO

from django.core.files.storage import FileSystemStorage


class DurableFileStorage(FileSystemStorage):
    """Flushed to the disk with their names: a row never points to half a file."""

    def _save(self, name: str, content: IO[bytes]) -> str:
        target = Path(self.path(name))
        _make_folder(target.parent)
        aside = target.with_name(f"{target.name}.part")
        try:
            with aside.open("xb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
                out.flush()
                os.fsync(out.fileno())
            aside.rename(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        _flush_folder(target.parent)
        return name

    def put(self, name: str, data: bytes, *, flush_folder: bool = True) -> str:
        """`_save` for bytes whose name nobody else has, with few steps, as each scan brings three: written in place, since no row
        points to it before this returns. Without `flush_folder` the caller calls `flush_folder` before the row is written."""
        target = f"{self.location}/{name}"
        folder = target.rpartition("/")[0]
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            descriptor = os.open(target, flags, 0o600)
        except FileNotFoundError:
            _make_folder(Path(folder))
            descriptor = os.open(target, flags, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as out:
                rest = memoryview(data)
                while rest:
                    rest = rest[out.write(rest) :]
                os.fsync(descriptor)
        except BaseException:
            Path(target).unlink(missing_ok=True)
            raise
        if flush_folder:
            _flush_folder(folder)
        return name

    def flush_folder(self, name: str) -> None:
        """Make the names of files that were `put` into this folder last."""
        _flush_folder(f"{self.location}/{name}")


def _make_folder(folder: Path) -> None:
    """With the folders above it. The name of a new one lies in the one above, which is flushed too."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True, mode=0o700)
    _flush_folder(folder.parent)


def _flush_folder(folder: Path | str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
