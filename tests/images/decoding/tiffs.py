"""TIFF files written by hand: the kinds that Pillow reads but does not write."""

import struct
import zlib

import numpy as np

_FORMATS = {"u": 1, "i": 2, "f": 3}


def tiff(
    values: np.ndarray, *, planar: bool = False, big: bool = False, deflated: bool = False, alpha: bool = False,
    compression: int | None = None,
) -> bytes:  # fmt: skip
    """One strip, or one for each plane, of rows by columns, by channels where there are several.

    `compression`: a number of a compression that is only announced.
    """
    order, channels = (">" if big else "<"), values.shape[2] if values.ndim == 3 else 1
    stored = values.astype(values.dtype.newbyteorder(order))
    planes = [stored[..., at] for at in range(channels)] if planar and channels > 1 else [stored]
    strips = [zlib.compress(plane.tobytes()) if deflated else plane.tobytes() for plane in planes]
    tags = {
        256: [values.shape[1]], 257: [values.shape[0]], 258: [8 * values.dtype.itemsize] * channels,
        259: [compression or (8 if deflated else 1)], 262: [2 if channels > 2 else 1], 277: [channels],
        278: [values.shape[0]], 279: [len(strip) for strip in strips], 284: [2 if planar else 1],
        339: [_FORMATS[values.dtype.kind]] * channels,
    }  # fmt: skip
    if alpha:
        tags[338] = [2]
    at, offsets = 8, []
    for strip in strips:
        offsets.append(at)
        at += len(strip) + len(strip) % 2
    tags[273] = offsets
    body = b"".join(strip + b"\0" * (len(strip) % 2) for strip in strips)
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(order + "I", at)
    return head + body + _directory(tags, at, order)


def _directory(tags: dict[int, list[int]], at: int, order: str) -> bytes:
    """All entries as LONG; lists lie behind the directory."""
    entries, behind = b"", b""
    behind_at = at + 2 + 12 * len(tags) + 4
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        value = packed if len(packed) == 4 else struct.pack(order + "I", behind_at + len(behind))
        behind += b"" if len(packed) == 4 else packed
        entries += struct.pack(order + "HHI", tag, 4, len(numbers)) + value
    return struct.pack(order + "H", len(tags)) + entries + bytes(4) + behind
