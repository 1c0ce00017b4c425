"""Files coming in. Django would spool a large upload to a plain temporary file; here it is sealed under a key that
exists only in this process."""

import hashlib
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from mediscan_site.core.errors import StorageFull, is_full
from mediscan_site.core.http.digest import file_digest, require_equal
from mediscan_site.core.storage import room
from mediscan_site.core.storage.spool import IN_MEMORY, SealedSpool

if TYPE_CHECKING:
    BytesUpload = UploadedFile[bytes]
else:
    BytesUpload = UploadedFile


class SealedUpload(BytesUpload):
    """An uploaded file: seekable plaintext to read, ciphertext on the disk. `sha256` is that of the bytes received."""

    def __init__(self, file: IO[bytes], *, name: str | None, content_type: str | None, size: int, sha256: str) -> None:
        super().__init__(file=file, name=name, content_type=content_type, size=size)
        self.sha256 = sha256


class _Spool(SealedSpool):
    """A spool that knows the digest of what it took."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()

    def add(self, data: bytes) -> None:
        self.digest.update(data)
        if not self.fits(data):
            room.require(len(data))
        super().add(data)


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
