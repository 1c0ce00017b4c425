"""Frames between the pool and its children: two lengths, a JSON header, a body of bytes."""

import json
import struct
from typing import Any, Final, Protocol

_LENGTHS: Final = struct.Struct(">II")


class Reader(Protocol):
    """A raw byte stream that may return less than it was asked for."""

    def read(self, size: int, /) -> bytes | None: ...


class Writer(Protocol):
    """A raw byte stream that may take less than it was given."""

    def write(self, data: memoryview, /) -> int | None: ...


def send(stream: Writer, header: dict[str, Any], body: bytes = b"") -> None:
    """Write one frame. Raises OSError when the other side is gone."""
    head = json.dumps(header).encode()
    for part in (_LENGTHS.pack(len(head), len(body)) + head, body):
        rest = memoryview(part)
        while rest:
            rest = rest[stream.write(rest) or 0 :]


def receive(stream: Reader) -> tuple[dict[str, Any], bytes]:
    """Read one frame. Raises EOFError when the stream ends before the frame does."""
    head_size, body_size = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    header: dict[str, Any] = json.loads(_exactly(stream, head_size))
    return header, _exactly(stream, body_size)


def _exactly(stream: Reader, size: int) -> bytes:
    parts: list[bytes] = []
    missing = size
    while missing:
        part = stream.read(min(missing, 1 << 20))
        if not part:
            raise EOFError("the stream ended inside a frame")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
