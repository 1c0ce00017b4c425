"""Sealed files and sources to test the envelope with."""

import io
import random

import pytest

from mediscan_site.core.storage.envelope import CHUNK_SIZE, Opener, encrypt

KEY = bytes(range(32))
OBJECT = "5f0c2a8e-8a55-4c8e-9a3c-0f0d5c1d7b11"
HEADER_SIZE = 16
STORED_CHUNK = CHUNK_SIZE + 16
EDGES = [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE - 1, 2 * CHUNK_SIZE, 2 * CHUNK_SIZE + 1]
CONTENT = random.Random(1).randbytes(4 * CHUNK_SIZE)
THREE_CHUNKS = CONTENT[: 2 * CHUNK_SIZE + 1000]
TWO_FULL_CHUNKS = CONTENT[: 2 * CHUNK_SIZE]


class Pipe(io.BytesIO):
    """A source that cannot seek and reads short, as a network stream does."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise io.UnsupportedOperation("seek")

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size is None or size < 0 else min(size, 10_007))


SOURCES = pytest.mark.parametrize("source", [io.BytesIO, Pipe])


def sealed(data: bytes, object_id: str = OBJECT) -> bytes:
    return encrypt(data, file_key=KEY, object_id=object_id)


def opener(
    stored: bytes,
    source: type[io.BytesIO] = io.BytesIO,
    *,
    key: bytes = KEY,
    object_id: str = OBJECT,
    size: int | None = None,
) -> Opener:
    return Opener(source(stored), file_key=key, object_id=object_id, size=size)
