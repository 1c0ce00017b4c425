"""The bytes of a view for learning: the length of a JSON header, the header, a PNG of the pixels."""

import json
import struct
from collections.abc import Mapping
from typing import Any, Final

_LENGTH: Final = struct.Struct(">I")


def packed(facts: Mapping[str, Any], png: bytes) -> bytes:
    header = json.dumps(facts, sort_keys=True).encode()
    return _LENGTH.pack(len(header)) + header + png


def unpacked(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Inverse of `packed`. ValueError, struct.error or KeyError for other bytes."""
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    header: dict[str, Any] = json.loads(data[_LENGTH.size : start])
    return header, data[start:]
