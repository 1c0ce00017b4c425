"""What becomes of an object that cannot be read: damage is told of, a store that is away for the moment is not damage."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.core.files.storage import FileSystemStorage, Storage, storages

from mediscan_site.core.errors import Unavailable
from mediscan_site.core.models import Blob
from mediscan_site.core.storage.envelope import DamagedObject, Opener

Found = Callable[[Blob], None]


class TellingOpener(Opener):
    """Reads, and tells of damage that it meets on the way."""

    def __init__(self, source: BinaryIO, *, blob: Blob, file_key: bytes, found: Found) -> None:
        self._blob, self._found = blob, found
        super().__init__(source, file_key=file_key, object_id=str(blob.id), size=blob.size)

    def _load(self, index: int) -> None:
        with telling(self._blob, self._found):
            super()._load(index)


@contextmanager
def telling(blob: Blob, found: Found) -> Iterator[None]:
    """What a disk gives instead of the bytes is DamagedObject, and `found` hears of it; what it does not give for the moment
    is Unavailable."""
    try:
        yield
    except DamagedObject:
        found(blob)
        raise
    except OSError as error:
        if not _is_lost(error):
            raise Unavailable(f"The stored files cannot be read: {error.strerror or type(error).__name__}.") from error
        _require_store(storages["blobs"])
        found(blob)
        raise DamagedObject("The object is missing from the storage, or its disk cannot read it.") from error


def _is_lost(error: OSError) -> bool:
    return isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError) or error.errno == errno.EIO


def _require_store(storage: Storage) -> None:
    """Unavailable while the folder of all objects is missing or empty, as that of a disk that is not mounted is."""
    if not isinstance(storage, FileSystemStorage):
        return
    root = Path(storage.location)
    if not (root.is_dir() and any(root.iterdir())):
        raise Unavailable("The folder of the stored files is empty or missing. Ask an administrator to mount its disk.")
