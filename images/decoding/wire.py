"""Frames between the pool and its children: two lengths, a JSON header, a body of bytes."""

import json
import struct
from typing import Any, Final, Protocol

_LENGTHS: Final = struct.Struct(">II")
_READ: Final = 1 << 20


class Reader(Protocol):
    """A raw byte stream that may return less than it was asked for."""

    def read(self, size: int, /) -> bytes | None: ...


class Writer(Protocol):
    """A raw byte stream that may take less than it was given."""

    def write(self, data: memoryview, /) -> int | None: ...


def send(stream: Writer, header: dict[str, Any], body: bytes = b"") -> None:
    """Write one frame. Raises OSError when the other side is gone."""
    head = json.dumps(header).encode()
    start = _LENGTHS.pack(len(head), len(body)) + head
    # In one piece where that costs little: the other side is woken up once.
    for part in (start + body,) if len(body) < _READ else (start, body):
        rest = memoryview(part)
        while rest:
            rest = rest[stream.write(rest) or 0 :]


def receive(stream: Reader) -> tuple[dict[str, Any], bytes]:
    """Read one frame. Raises EOFError when the stream ends before the frame does.

    Whatever is there may be taken: the next frame comes only after this one was answered. So most frames are one read."""
    start = b""
    while len(start) < _LENGTHS.size:
        start += _some(stream)
    head_size, body_size = _LENGTHS.unpack_from(start)
    body_at = _LENGTHS.size + head_size
    while len(start) < body_at:
        start += _some(stream)
    parts = [start[body_at:]]
    missing = body_size - len(parts[0])
    while missing > 0:
        parts.append(_some(stream))
        missing -= len(parts[-1])
    return json.loads(start[_LENGTHS.size : body_at]), b"".join(parts)


def _some(stream: Reader) -> bytes:
    part = stream.read(_READ)
    if not part:
        raise EOFError("the stream ended inside a frame")
    return part
