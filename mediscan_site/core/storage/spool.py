"""Bytes on their way in: in memory while few, beyond that on the disk, sealed under a key that exists only in this process.

The file on the disk has no name, so nothing is left of it when the process dies."""

import io
import tempfile
from typing import IO, BinaryIO, cast

from django.conf import settings

from mediscan_site.core.storage.envelope import Opener, Sealer, new_file_key

IN_MEMORY = 2 * 2**20
OBJECT_ID = "upload"


class SealedSpool:
    """Takes plaintext, and gives it back as one seekable file."""

    def __init__(self) -> None:
        self.size = 0
        self._memory: io.BytesIO | None = io.BytesIO()
        self._key = new_file_key()
        self._sealer = Sealer(self._key, OBJECT_ID)
        self._disk: IO[bytes] | None = None

    @property
    def is_on_disk(self) -> bool:
        return self._disk is not None

    def fits(self, data: bytes) -> bool:
        """Whether these bytes too may stay in memory."""
        return self._memory is not None and self.size + len(data) <= IN_MEMORY

    def add(self, data: bytes) -> None:
        if self._memory is not None and self.fits(data):
            self.size += len(data)
            self._memory.write(data)
        else:
            self.write(data)

    def write(self, data: bytes) -> None:
        """The same, on the disk from now on."""
        disk = self._onto_disk()
        self.size += len(data)
        disk.write(self._sealer.update(data))

    def finish(self) -> IO[bytes]:
        if self._disk is None and self._memory is not None:
            self._memory.seek(0)
            return self._memory
        disk = self._onto_disk()
        disk.write(self._sealer.finish())
        disk.seek(0)
        opener = Opener(cast(BinaryIO, disk), file_key=self._key, object_id=OBJECT_ID, size=self.size)
        return cast("IO[bytes]", io.BufferedReader(opener))

    def close(self) -> None:
        if self._disk is not None:
            self._disk.close()

    def _onto_disk(self) -> IO[bytes]:
        if self._disk is None:
            self._disk = tempfile.TemporaryFile(dir=settings.DATA_DIR)  # noqa: SIM115 -- lives as long as the spool
            self._disk.write(self._sealer.header())
            self._disk.write(self._sealer.update(self._memory.getvalue() if self._memory else b""))
            self._memory = None
        return self._disk
