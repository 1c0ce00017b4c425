"""RLE Lossless (PS3.5 annex G). pydicom's own decoder lets a short file grow without end before it looks at the size."""

import struct

import numpy as np
from numpy.typing import NDArray

from images.decoding.errors import Undecodable

_HEADER = 64
_MAX_SEGMENTS = 15
_NOTHING = 128  # a control byte that stands for no output


def decode(frame: bytes, rows: int, columns: int, samples: int, width: int) -> NDArray[np.unsignedinteger]:
    """The unsigned values, rows by columns, by samples where there are several; `width`: bytes of one value.

    Undecodable where a segment gives fewer bytes than the picture has pixels, or is longer than any could be.
    """
    if len(frame) < _HEADER:
        raise Undecodable("truncated")
    count, *offsets = struct.unpack_from(f"<{_MAX_SEGMENTS + 1}I", frame)
    if count != samples * width or count > _MAX_SEGMENTS:
        raise Undecodable("corrupt")
    pixels = rows * columns
    values = np.zeros((samples, pixels), np.dtype(f"u{width}"))
    for number in range(count):
        end = offsets[number + 1] if number + 1 < count else len(frame)
        plane = np.frombuffer(_segment(frame[offsets[number] : end], pixels), np.uint8, pixels)
        shift = 8 * (width - 1 - number % width)  # the most significant byte comes first
        values[number // width] |= plane.astype(values.dtype) << shift
    return values[0].reshape(rows, columns) if samples == 1 else values.T.reshape(rows, columns, samples)


def _segment(packed: bytes, pixels: int) -> bytearray:
    if len(packed) > 2 * pixels + _HEADER:
        raise Undecodable("corrupt")
    out, position, end = bytearray(), 0, len(packed)
    while len(out) < pixels and position + 1 < end:
        control = packed[position]
        if control < _NOTHING:
            out += packed[position + 1 : position + 2 + control]
            position += 2 + control
        elif control > _NOTHING:
            out += packed[position + 1 : position + 2] * (257 - control)
            position += 2
        else:
            position += 1
    if len(out) < pixels:
        raise Undecodable("truncated")
    return out


def without_rest(frame: bytes, pixels: int) -> bytes:
    """The frame with zeros wherever no decoder looks: in its header, between its segments and behind the last one."""
    if len(frame) < _HEADER:
        return frame
    count, *offsets = struct.unpack_from(f"<{_MAX_SEGMENTS + 1}I", frame)
    if not 1 <= count <= _MAX_SEGMENTS:
        return frame
    out = bytearray(len(frame))
    struct.pack_into(f"<{count + 1}I", out, 0, count, *offsets[:count])
    for start, end in zip(offsets[:count], [*offsets[1:count], len(frame)], strict=True):
        used = start + _used(frame[start:end], pixels)
        out[start:used] = frame[start:used]
    return bytes(out)


def _used(packed: bytes, pixels: int) -> int:
    """How many bytes of a segment are read for as many pixels."""
    found, position, end = 0, 0, len(packed)
    while found < pixels and position + 1 < end:
        control = packed[position]
        found += control + 1 if control < _NOTHING else 257 - control if control > _NOTHING else 0
        position += 2 + control if control < _NOTHING else 2 if control > _NOTHING else 1
    return min(position, end)
