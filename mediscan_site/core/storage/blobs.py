"""Encrypted objects: bytes in, bytes kept, nothing in the clear. On disk or on S3, whatever STORAGES["blobs"] says."""

import hashlib
import io
import os
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages
from django.db import transaction
from django.utils import timezone

from mediscan_site.core.models import Blob
from mediscan_site.core.storage import damage, own_store, ring, room
from mediscan_site.core.storage.disk import DurableFileStorage
from mediscan_site.core.storage.envelope import CHUNK_SIZE, DamagedObject, Sealer, encrypt, new_file_key
from mediscan_site.core.storage.reading import Found, TellingOpener, telling

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BATCH = 500
WRITERS = 8
# What is sealed in one piece; anything larger goes through in pieces, so that it is not in memory several times.
WHOLE = 4 * 2**20


class _SealingReader(io.RawIOBase):
    """Reads plaintext from a source and gives its envelope, hashing both as they pass. Read once, front to back."""

    def __init__(self, source: BinaryIO, sealer: Sealer) -> None:
        self._buffer = b""
        self.plain, self.plain_size = hashlib.sha256(), 0
        self.stored, self.stored_size = hashlib.sha256(), 0
        self._pending = self._counted(_parts(source, sealer, self))

    def _counted(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        for part in parts:
            self.stored.update(part)
            self.stored_size += len(part)
            yield part

    def readable(self) -> bool:
        return True

    def readinto(self, target: "WriteableBuffer") -> int:
        view = memoryview(target).cast("B")
        while not self._buffer:
            part = next(self._pending, None)
            if part is None:
                return 0
            self._buffer = part
        count = min(len(view), len(self._buffer))
        view[:count], self._buffer = self._buffer[:count], self._buffer[count:]
        return count


def _parts(source: BinaryIO, sealer: Sealer, counter: _SealingReader) -> Iterator[bytes]:
    yield sealer.header()
    while data := source.read(16 * CHUNK_SIZE):
        room.require(len(data))
        counter.plain.update(data)
        counter.plain_size += len(data)
        yield sealer.update(data)
    yield sealer.finish()


def _storage() -> Storage:
    return storages["blobs"]


def namespace(project_id: int) -> str:
    """The folder of the storage that holds a project's objects. Older ones may be elsewhere: each is found by its row's path."""
    return f"project-{project_id}"


def write(
    data: bytes | BinaryIO,
    *,
    namespace: str,
    content_type: str,
    reading: bool = False,
    flush_folder: bool = True,
) -> Blob:
    """Store the bytes encrypted; returns the row, unsaved. Save it with `force_insert=True` in the transaction that refers to
    it: an object whose row never comes is swept away. ForeignStore when the store is another database's, StorageFull without
    room; `reading`: somebody looks at a scan. Without `flush_folder` the caller calls `flush_folders` before the row is
    committed."""
    _require_own()
    room.require(len(data) if isinstance(data, bytes) else 0, reading=reading)
    blob, file_key, storage = _new(namespace, content_type), new_file_key(), _storage()
    if isinstance(data, bytes) and len(data) <= WHOLE:
        sealed = _sealed(blob, data, file_key)
        if isinstance(storage, DurableFileStorage):
            storage.put(blob.path, sealed, flush_folder=flush_folder)
        else:
            blob.path = storage.save(blob.path, ContentFile(sealed))
    else:
        _write_stream(blob, io.BytesIO(data) if isinstance(data, bytes) else data, file_key)
    with discarded_on_failure(blob):
        # The ring as it is now: a long upload may outlive a master.
        _wrap(blob, file_key)
    return blob


def _new(namespace: str, content_type: str) -> Blob:
    blob = Blob(id=uuid.uuid4(), content_type=content_type)
    # Sixteen folders: a new folder costs a file system more than a file, and a small project would make one for each file.
    blob.path = f"{namespace}/{blob.id.hex[0]}/{blob.id}"
    return blob


def flush_folders(written: Iterable[Blob]) -> None:
    """What `write` left to do for objects written without `flush_folder`; for many of them each folder is flushed once."""
    storage = _storage()
    if isinstance(storage, DurableFileStorage):
        # At once: the disk puts them together.
        list(_writers().map(storage.flush_folder, {blob.path.rpartition("/")[0] for blob in written}))


def _wrap(blob: Blob, file_key: bytes) -> None:
    blob.key_id, blob.wrapped_key = ring.current().wrap(file_key, object_id=str(blob.id))


def _require_own() -> None:
    """KeysError or ForeignStore before a byte is written. Asked by the caller's thread, whose connection to the database is
    looked after."""
    own_store.require_once()
    ring.current()


def _sealed(blob: Blob, data: bytes, file_key: bytes) -> bytes:
    """The envelope, noted in the row."""
    sealed = encrypt(data, file_key=file_key, object_id=str(blob.id))
    blob.size, blob.sha256 = len(data), hashlib.sha256(data).hexdigest()
    blob.stored_size, blob.stored_sha256 = len(sealed), hashlib.sha256(sealed).hexdigest()
    return sealed


def _write_stream(blob: Blob, source: BinaryIO, file_key: bytes) -> None:
    reader = _SealingReader(source, Sealer(file_key, str(blob.id)))
    # Buffered: a read gives all it was asked for, see findings/boto3_short_read_ends_the_multipart_upload.sh.
    content = File(cast("IO[bytes]", io.BufferedReader(reader, CHUNK_SIZE)))
    blob.path = _storage().save(blob.path, content)
    blob.size, blob.sha256 = reader.plain_size, reader.plain.hexdigest()
    blob.stored_size, blob.stored_sha256 = reader.stored_size, reader.stored.hexdigest()


@dataclass(frozen=True)
class Pending:
    """An object that is being stored in a thread. `known`: its row, where all of it is known before the bytes are written."""

    _work: "Future[Any]"
    _known: Blob | None = None

    def row(self) -> Blob:
        """The row, unsaved: its bytes may still be on their way. Raises what went wrong."""
        return self._known or cast(Blob, self._work.result())

    def settle(self) -> None:
        """Wait until the bytes are on the disk: before the row is committed. Raises what went wrong."""
        self._work.result()

    def wait(self) -> None:
        """The same, whatever went wrong."""
        self._work.exception()

    def discard(self) -> None:
        """Wait for it, and remove the bytes again."""
        if self._work.exception() is None:
            discard(self.row())


def write_aside(data: bytes, *, namespace: str, content_type: str) -> Pending:
    """`write` that does not wait for the disk: a scan is several objects, and they wait together."""
    _require_own()
    storage = _storage()
    if len(data) > WHOLE or not isinstance(storage, DurableFileStorage):
        return Pending(_writers().submit(write, data, namespace=namespace, content_type=content_type))
    room.require(len(data))
    blob, file_key = _new(namespace, content_type), new_file_key()
    sealed = _sealed(blob, data, file_key)
    _wrap(blob, file_key)
    return Pending(_writers().submit(storage.put, blob.path, sealed), blob)


@cache
def _writers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WRITERS, thread_name_prefix="blob-writer")


# The threads of a process do not exist in its forks.
os.register_at_fork(after_in_child=_writers.cache_clear)


def open_blob(blob: Blob, *, found: Found = damage.met) -> BinaryIO:
    """The plaintext as a seekable stream. Each chunk is verified before a byte of it leaves; DamagedObject on damage, which
    `found` hears of."""
    if blob.wrapped_key is None:
        raise DamagedObject("The object was erased.")
    if blob.quarantined_at is not None:
        raise DamagedObject("The object is in quarantine.")
    file_key = ring.current().unwrap(bytes(blob.wrapped_key), key_id=blob.key_id, object_id=str(blob.id))
    with telling(blob, found):
        source = cast(BinaryIO, _storage().open(blob.path, "rb"))
        opener = TellingOpener(source, blob=blob, file_key=file_key, found=found)
    return cast(BinaryIO, io.BufferedReader(opener, CHUNK_SIZE))


def read(blob: Blob) -> bytes:
    """All of it; also checks the SHA-256 of the whole."""
    with open_blob(blob) as stream:
        data = stream.read()
    if hashlib.sha256(data).hexdigest() != blob.sha256:
        damage.met(blob)
        raise DamagedObject("The object is not the one that was stored.")
    return data


def discard(blob: Blob) -> None:
    """Remove the bytes of a row that was never saved (a lost race, a failed transaction)."""
    _storage().delete(blob.path)


@contextmanager
def discarded_on_failure(blob: Blob) -> Iterator[None]:
    """For the block that writes the row: whatever goes wrong in it, no bytes without a row stay behind."""
    try:
        yield
    except BaseException:
        discard(blob)
        raise


def erase(blob: Blob) -> None:
    """Destroy an object for good: first its key (the bytes are noise from then on), then its bytes."""
    drop_keys([blob])
    _storage().delete(blob.path)


def erase_on_commit(doomed: Iterable[Blob]) -> None:
    """Destroy objects with the change that lets go of them: the keys in this transaction, the bytes, noise from then on, once
    it is certain. A process that dies in between leaves noise for `orphans.sweep`."""
    blobs = list(doomed)
    drop_keys(blobs)
    for blob in blobs:
        transaction.on_commit(partial(_storage().delete, blob.path))


def drop_keys(doomed: Iterable[Blob]) -> None:
    """Forget how to read these objects, and what was in them: a digest identifies an object."""
    keys = [blob.pk for blob in doomed]
    for start in range(0, len(keys), BATCH):
        rows = Blob.objects.filter(pk__in=keys[start : start + BATCH])
        rows.update(wrapped_key=None, sha256="", erased_at=timezone.now())


def is_damaged(blob: Blob) -> bool:
    """Re-read and re-hash a stored object. Tells nobody: that is the caller's."""
    digest = hashlib.sha256()
    try:
        with open_blob(blob, found=lambda _: None) as stream:
            while data := stream.read(1 << 20):
                digest.update(data)
    except DamagedObject:
        return True
    return digest.hexdigest() != blob.sha256
