"""The envelope of one stored file: chunked AES-256-GCM, verified before a byte leaves.

Format, version 1 (all numbers big-endian)::

    file    = header, chunk 0, chunk 1, ... last chunk
    header  = magic "MEDISCAN" (8 bytes), version 1 (4 bytes), chunk size 65536 (4 bytes)
    chunk   = AES-256-GCM ciphertext of 65,536 plaintext bytes, then its tag (16 bytes);
              the last chunk holds 1 to 65,536 plaintext bytes, or 0 when the whole file is empty
    key     = the file key: 32 random bytes, fresh for each file
    nonce   = chunk number (11 bytes), then 1 for the last chunk and 0 for every other (1 byte)
    associated data of every chunk = header, then the object id in UTF-8

This is the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption
and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015), framed as in age. The counter finds reordered,
dropped and doubled chunks, the last-chunk flag finds truncation (also at a chunk edge) and appended
bytes, the object id finds a file copied over another one. Nonces are counters, so **a file key seals
one file once**: sealing again, even the same object, needs a new key.

The file key is not in the file. It is kept wrapped (see `keys`) next to the object's other facts, so
that changing the master key or erasing the file key never touches a stored file.

64 KiB chunks: larger ones measured at most 1.7 times as fast, all beyond 3 GB/s; small ones seek cheaply.
"""

import io
import os
import struct
import sys
from typing import TYPE_CHECKING, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAGIC: Final = b"MEDISCAN"
VERSION: Final = 1
CHUNK_SIZE: Final = 64 * 1024
KEY_SIZE: Final = 32
TAG_SIZE: Final = 16
_HEADER: Final = struct.pack(">8sII", MAGIC, VERSION, CHUNK_SIZE)
_SEALED_SIZE: Final = CHUNK_SIZE + TAG_SIZE


class DamagedObject(Exception):
    """Stored bytes are not what was sealed: damaged, cut, extended, reordered, or another object's.

    Deliberately no OSError or ValueError: decoders swallow those as "not an image".
    """


def new_file_key() -> bytes:
    """32 fresh random bytes. One key seals one file, once."""
    return os.urandom(KEY_SIZE)


def encrypt(data: bytes, *, file_key: bytes, object_id: str) -> bytes:
    """The whole envelope of `data`: header and all chunks."""
    sealer = Sealer(file_key, object_id)
    return b"".join((sealer.header(), sealer.update(data), sealer.finish()))


def plaintext_size(stored_size: int) -> int:
    """Plaintext bytes in an envelope of `stored_size` bytes; DamagedObject when no envelope has that size."""
    body = stored_size - len(_HEADER)
    whole, rest = divmod(body, _SEALED_SIZE)
    # An empty last chunk exists only in an empty file, so that each plaintext size has one stored size.
    if body < TAG_SIZE or (rest and rest < TAG_SIZE) or (rest == TAG_SIZE and whole):
        raise DamagedObject(f"A stored file cannot have {stored_size} bytes: it was cut or extended.")
    return body - TAG_SIZE * (whole + (rest > 0))


def _nonce(index: int, *, last: bool) -> bytes:
    return index.to_bytes(11, "big") + bytes([last])


class _Chunks:
    """Seals and opens single chunks of one file: key, nonces and associated data."""

    def __init__(self, file_key: bytes, object_id: str) -> None:
        if len(file_key) != KEY_SIZE:
            raise ValueError(f"A file key has {KEY_SIZE} bytes, this one {len(file_key)}.")
        if not object_id:
            raise ValueError("An object id may not be empty: it binds the stored file to its row.")
        self._cipher = AESGCM(file_key)
        self._associated = _HEADER + object_id.encode()

    def seal(self, data: bytes | memoryview, index: int, *, last: bool) -> bytes:
        """Ciphertext and tag of chunk number `index`."""
        return self._cipher.encrypt(_nonce(index, last=last), data, self._associated)

    def open(self, sealed: bytes | memoryview, index: int, *, last: bool) -> bytes:
        """Verified plaintext of chunk number `index`; DamagedObject otherwise."""
        if len(sealed) < TAG_SIZE:
            raise DamagedObject(f"The stored file ends inside chunk {index}: it was cut.")
        if last and index and len(sealed) == TAG_SIZE:
            raise DamagedObject(f"The stored file has an empty chunk {index}: it was extended.")
        try:
            return self._cipher.decrypt(_nonce(index, last=last), sealed, self._associated)
        except InvalidTag:
            raise DamagedObject(
                f"Chunk {index} of the stored file does not verify: the file is damaged, cut, extended, "
                "or belongs to another object or key."
            ) from None


class Sealer:
    """Encrypts one file as its bytes arrive: `header()`, `update()` as often as needed, `finish()`."""

    def __init__(self, file_key: bytes, object_id: str) -> None:
        self._chunks = _Chunks(file_key, object_id)
        self._held = bytearray()
        self._index = 0
        self._finished = False

    def header(self) -> bytes:
        """The first bytes of the file. Once, before the rest."""
        return _HEADER

    def update(self, data: bytes) -> bytes:
        """Take plaintext, give the ciphertext that is complete (often none: a chunk is held back)."""
        self._refuse_when_finished()
        self._held += data
        sealed = []
        # A full chunk stays held until a byte follows it: only then is it known not to be the last.
        count = max(len(self._held) - 1, 0) // CHUNK_SIZE
        with memoryview(self._held) as view:
            for start in range(0, count * CHUNK_SIZE, CHUNK_SIZE):
                sealed.append(self._chunks.seal(view[start : start + CHUNK_SIZE], self._index, last=False))
                self._index += 1
        del self._held[: count * CHUNK_SIZE]
        return b"".join(sealed)

    def finish(self) -> bytes:
        """The last chunk. A file without it does not open."""
        self._refuse_when_finished()
        self._finished = True
        sealed = self._chunks.seal(bytes(self._held), self._index, last=True)
        self._held.clear()
        return sealed

    def _refuse_when_finished(self) -> None:
        if self._finished:
            raise ValueError("This file is finished: seal the next one with a new Sealer and a new file key.")


def _read_exactly(source: BinaryIO, size: int) -> bytes:
    """`size` bytes, fewer only at the end of the source (which may itself read short)."""
    parts = []
    while size and (part := source.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _check_header(source: BinaryIO) -> None:
    header = _read_exactly(source, len(_HEADER))
    if header != _HEADER:
        raise DamagedObject(f"The stored file does not start as a MediScan envelope of version {VERSION}.")


def _check_size(actual: int, expected: int | None) -> None:
    if expected not in (None, actual):
        raise DamagedObject(f"The stored file holds {actual} bytes, {expected} were sealed: it was cut or extended.")


class _RandomSource:
    """Sealed chunks of a seekable source, in any order. `last`: number of the last chunk, by the file's size."""

    def __init__(self, source: BinaryIO, size: int | None) -> None:
        self._source = source
        actual = plaintext_size(source.seek(0, io.SEEK_END))
        _check_size(actual, size)
        source.seek(0)
        _check_header(source)
        self.last: int | None = max(actual - 1, 0) // CHUNK_SIZE

    def sealed(self, index: int) -> tuple[bytes, bool]:
        """Chunk number `index` as stored, and whether it is the last."""
        self._source.seek(len(_HEADER) + index * _SEALED_SIZE)
        return _read_exactly(self._source, _SEALED_SIZE), index == self.last


class _StreamSource:
    """Sealed chunks of a source that cannot seek, in order. `last` is known once the source has ended."""

    def __init__(self, source: BinaryIO, size: int | None) -> None:
        _check_header(source)
        self._source = source
        self._expected = size
        self._ahead = b""
        self.last: int | None = None

    def sealed(self, index: int) -> tuple[bytes, bool]:
        """The next chunk, which must be number `index`, and whether it is the last."""
        # One byte is read ahead: only a chunk that none follows is the last.
        fresh = _read_exactly(self._source, _SEALED_SIZE + 1 - len(self._ahead))
        data = self._ahead + fresh
        self._ahead = data[_SEALED_SIZE:]
        if not self._ahead:
            self.last = index
            _check_size(index * CHUNK_SIZE + max(len(data) - TAG_SIZE, 0), self._expected)
        return data[:_SEALED_SIZE], not self._ahead


class Opener(io.RawIOBase):
    """Reads the plaintext of one envelope; every chunk is verified before a byte of it leaves.

    `source`: the stored bytes, positioned anywhere when seekable, at their start otherwise. The Opener
    owns it: closing the Opener closes it, and so does a failed opening. `size`: how many plaintext bytes
    were sealed, when the caller knows (its row says so); another number is a DamagedObject.
    The end is believed only when the last chunk has verified: reading up to it, reading beyond it and
    seeking from it all raise DamagedObject for a file that was cut.
    """

    def __init__(self, source: BinaryIO, *, file_key: bytes, object_id: str, size: int | None = None) -> None:
        super().__init__()
        self._source = source
        self._position = 0
        self._index, self._chunk = -1, b""
        try:
            self._chunks = _Chunks(file_key, object_id)
            self._seekable = source.seekable()
            self._stored = _RandomSource(source, size) if self._seekable else _StreamSource(source, size)
        except BaseException:
            self.close()
            raise

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seekable

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a plaintext position; beyond the end is allowed, before the start is a ValueError."""
        if not self._seekable:
            raise io.UnsupportedOperation("The source of this file cannot seek: read it from start to end.")
        target = self._origin(whence) + offset
        if target < 0:
            raise ValueError(f"Cannot seek to {target}: before the start of the file.")
        self._position = target
        return target

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to `size` plaintext bytes, fewer only at the end; all that is left when negative or None."""
        if self.closed:
            raise ValueError("This stored file is closed: open it again.")
        left = sys.maxsize if size is None or size < 0 else size
        parts = []
        while left and (part := self._next(left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    readall = read

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill `buffer` as `read` would; 0 only at the end or for an empty buffer."""
        with memoryview(buffer) as view, view.cast("B") as target:
            part = self.read(len(target))
            target[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Close the source too and forget the plaintext."""
        if not self.closed:
            super().close()
            self._index, self._chunk = -1, b""
            self._source.close()

    def _next(self, limit: int) -> bytes:
        """Up to `limit` bytes from the chunk at the position; none at the end, whose chunk has then verified."""
        index = self._position // CHUNK_SIZE
        self._load(index if self._stored.last is None else min(index, self._stored.last))
        start = self._position - self._index * CHUNK_SIZE
        part = self._chunk[start : start + limit]
        self._position += len(part)
        return part

    def _load(self, index: int) -> None:
        if index == self._index:
            return
        sealed, last = self._stored.sealed(index)
        self._chunk = self._chunks.open(sealed, index, last=last)
        self._index = index

    def _origin(self, whence: int) -> int:
        if whence in (io.SEEK_SET, io.SEEK_CUR):
            return self._position if whence == io.SEEK_CUR else 0
        if whence != io.SEEK_END or self._stored.last is None:
            raise ValueError(f"Unknown whence {whence}: use SEEK_SET, SEEK_CUR or SEEK_END.")
        self._load(self._stored.last)
        return self._index * CHUNK_SIZE + len(self._chunk)
