"""Files coming in. Django would spool a large upload to a plain temporary file; here it is sealed under a key that
exists only in this process."""

import hashlib
import io
import tempfile
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from mediscan_site.core.errors import StorageFull, is_full
from mediscan_site.core.http.digest import file_digest, require_equal
from mediscan_site.core.storage import room
from mediscan_site.core.storage.envelope import Opener, Sealer, new_file_key

if TYPE_CHECKING:
    BytesUpload = UploadedFile[bytes]
else:
    BytesUpload = UploadedFile

IN_MEMORY = 2 * 2**20
OBJECT_ID = "upload"


class SealedUpload(BytesUpload):
    """An uploaded file: seekable plaintext to read, ciphertext on the disk. `sha256` is that of the bytes received."""

    def __init__(self, file: IO[bytes], *, name: str | None, content_type: str | None, size: int, sha256: str) -> None:
        super().__init__(file=file, name=name, content_type=content_type, size=size)
        self.sha256 = sha256


class _Spool:
    """Collects plaintext: in memory while small, sealed on disk beyond that."""

    def __init__(self) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._memory: io.BytesIO | None = io.BytesIO()
        self._key = new_file_key()
        self._sealer = Sealer(self._key, OBJECT_ID)
        self._disk: IO[bytes] | None = None

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self.digest.update(data)
        if self._memory is not None and self.size <= IN_MEMORY:
            self._memory.write(data)
            return
        room.require(len(data))
        self._onto_disk().write(self._sealer.update(data))

    def _onto_disk(self) -> IO[bytes]:
        if self._disk is None or self._memory is not None:
            self._disk = tempfile.TemporaryFile(dir=settings.DATA_DIR)  # noqa: SIM115 -- lives as long as the upload
            self._disk.write(self._sealer.header())
            self._disk.write(self._sealer.update(self._memory.getvalue() if self._memory else b""))
            self._memory = None
        return self._disk

    def finish(self) -> IO[bytes]:
        if self._memory is not None:
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


class SealedUploadHandler(FileUploadHandler):
    """The only upload handler: counts what really arrives, refuses more than the largest import, and a file that does not have
    the SHA-256 it was sent with."""

    spool: _Spool
    said_digest: str

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *args: Any, **kwargs: Any) -> None:  # noqa: N803 -- Django's name
        if content_length > settings.MAX_IMPORT_BYTES:
            raise RequestDataTooBig(f"A request may hold at most {settings.MAX_IMPORT_BYTES} bytes.")
        if content_length > IN_MEMORY:
            room.require(content_length)

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.said_digest = file_digest(self.request.headers) if self.request is not None else ""
        self.spool = _Spool()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            self.spool.add(raw_data)
        except OSError as error:
            if is_full(error):
                raise StorageFull from error
            raise
        if self.spool.size > settings.MAX_IMPORT_BYTES:
            raise RequestDataTooBig(f"A file may hold at most {settings.MAX_IMPORT_BYTES} bytes.")

    def file_complete(self, file_size: int) -> SealedUpload:
        sha256 = self.spool.digest.hexdigest()
        require_equal(said=self.said_digest, found=sha256, attr="file")
        return SealedUpload(
            self.spool.finish(),
            name=self.file_name,
            content_type=self.content_type,
            size=self.spool.size,
            sha256=sha256,
        )

    def upload_interrupted(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
