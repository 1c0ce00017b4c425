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


def with_second_page(first: bytes, second: bytes) -> bytes:
    """Two little-endian files of one page as one of two: every offset of the second is moved behind the first."""
    base = len(first) + len(first) % 2
    moved = bytearray(second)
    (at,) = struct.unpack_from("<I", second, 4)
    (count,) = struct.unpack_from("<H", second, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from("<HHI", second, entry)
        is_far = values * {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}[kind] > 4
        if is_far or tag == 273:
            (place,) = struct.unpack_from("<I", second, entry + 8)
            struct.pack_into("<I", moved, entry + 8, place + base)
            for far in range(place, place + 4 * values, 4) if is_far and tag == 273 else ():
                struct.pack_into("<I", moved, far, struct.unpack_from("<I", second, far)[0] + base)
    whole = bytearray(first + b"\0" * (base - len(first)) + bytes(moved))
    (directory,) = struct.unpack_from("<I", first, 4)
    (entries,) = struct.unpack_from("<H", first, directory)
    struct.pack_into("<I", whole, directory + 2 + 12 * entries, base + at)
    return bytes(whole)
