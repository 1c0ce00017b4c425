"""Colour profiles (ICC.1:2022): pictures converted to sRGB by them, and the profile itself without what is no number.

What is shown and learned is sRGB, whatever colours the scanner or camera speaks of. The file keeps its values.
"""

import io
import struct
from typing import Final

import numpy as np
from PIL import Image, ImageCms

_CONVERTED: Final = "The colours were converted from the colour profile of the file to sRGB."
_UNREADABLE: Final = "The colour profile of the file cannot be read and was ignored."
# Stands for a profile that cannot be used.
NONE: Final = b"\0"
_SPACES: Final = {"RGB": "RGB", "CMYK": "CMYK"}
_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
# Levels by which profiles that mean sRGB differ from it.
_ALIKE: Final = 2
_STEPS: Final = np.linspace(0, 255, 9).round().astype(np.uint8)
_CUBE: Final = Image.fromarray(np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS), axis=-1).reshape(27, 27, 3))

_HEADER: Final = 128
_MOST_TAGS: Final = 100
_CLASSES: Final = (b"mntr", b"scnr", b"prtr", b"spac")
_MATRIX: Final = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
_TABLE: Final = b"A2B0"
_KEPT: Final = (*_MATRIX, _TABLE, b"wtpt", b"chad")
_PARAMETERS: Final = (1, 3, 4, 5, 7)  # of the functions of a `para` curve
_D50: Final = bytes.fromhex("0000f6d6000100000000d32d")
_DATE: Final = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
_NAME: Final = "Colour profile"


def to_srgb(picture: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    """A picture of mode RGB or CMYK as RGB by its profile; as it is where there is none for it, or where that is sRGB."""
    if not profile or picture.mode not in _SPACES:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES[picture.mode]:
            return picture
        transform = ImageCms.buildTransform(source, _SRGB, picture.mode, "RGB")
        if picture.mode == "RGB" and _is_srgb(transform):
            return picture
        converted = ImageCms.applyTransform(picture, transform)
    # Whatever the profile does to its parser, it takes nothing from the pixels.
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        notes.append(_UNREADABLE)
        return picture
    notes.append(_CONVERTED)
    return picture if converted is None else converted


def _is_srgb(transform: ImageCms.ImageCmsTransform) -> bool:
    shown = ImageCms.applyTransform(_CUBE, transform)
    before, after = (np.asarray(cube).astype(np.int16) for cube in (_CUBE, shown))
    return int(np.abs(before - after).max()) <= _ALIKE


def numbers_of(profile: bytes) -> bytes | None:
    """The profile of an RGB picture with its colours alone: no text, date, maker or device. None where it cannot be cut down so."""
    try:
        parts = _parts(profile)
    except struct.error:
        return None
    if profile[16:20] != b"RGB " or profile[36:40] != b"acsp" or profile[12:16] not in _CLASSES:
        return None
    if _TABLE not in parts and any(name not in parts for name in _MATRIX):
        return None
    return _written(profile, parts)


def _parts(profile: bytes) -> dict[bytes, bytes]:
    """The tags that say what colours are, each with no more bytes than its type has."""
    (count,) = struct.unpack_from(">I", profile, _HEADER)
    parts: dict[bytes, bytes] = {}
    for number in range(min(count, _MOST_TAGS)):
        name, start, size = struct.unpack_from(">4sII", profile, _HEADER + 4 + 12 * number)
        content = profile[start : start + size]
        used = _size(content) if name in _KEPT else 0
        if used and used <= len(content):
            parts[name] = content[:4] + bytes(4) + content[8:used]
    return parts


def _size(content: bytes) -> int:
    """How many bytes a tag has by its type (ICC.1:2022, section 10); 0 for a type that may hold anything else."""
    kind = content[:4]
    if kind == b"XYZ ":
        return 20
    if kind == b"sf32":
        return 8 + 36
    if kind == b"curv":
        return 12 + 2 * int(struct.unpack_from(">I", content, 8)[0])
    if kind == b"para":
        function, reserved = struct.unpack_from(">HH", content, 8)
        return 12 + 4 * _PARAMETERS[function] if function < len(_PARAMETERS) and not reserved else 0
    if kind in (b"mft1", b"mft2") and content[8:10] == b"\3\3" and content[11:12] == b"\0":
        entries = content[10] ** 3 * 3
        if kind == b"mft1":
            return 48 + 3 * 256 + entries + 3 * 256
        before, after = struct.unpack_from(">HH", content, 48)
        return 52 + 2 * (3 * int(before) + entries + 3 * int(after))
    return 0


def _written(profile: bytes, parts: dict[bytes, bytes]) -> bytes:
    """A profile of these tags; the rest of its header says nothing. The same parts give the same bytes."""
    is_new = profile[8] >= 4
    tags = {**parts, b"desc": _description(is_new=is_new), b"cprt": _copyright(is_new=is_new)}
    table, body, at = b"", b"", _HEADER + 4 + 12 * len(tags)
    for name, content in sorted(tags.items()):
        table += struct.pack(">4sII", name, at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    intent = profile[64:68] if profile[64:67] == bytes(3) and profile[67] < 4 else bytes(4)
    head = struct.pack(">I", at + len(body)) + bytes(4) + profile[8:10] + bytes(2) + profile[12:20]
    space = profile[20:24] if profile[20:24] in (b"XYZ ", b"Lab ") else b"XYZ "
    head += space + _DATE + b"acsp" + bytes(24) + intent + _D50
    return head.ljust(_HEADER, b"\0") + struct.pack(">I", len(tags)) + table + body


def _description(*, is_new: bool) -> bytes:
    if is_new:
        return _localized(_NAME)
    text = _NAME.encode() + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)


def _copyright(*, is_new: bool) -> bytes:
    return _localized("None") if is_new else b"text" + bytes(4) + b"None\0"


def _localized(text: str) -> bytes:
    # UTF-16 by hand: the codec would be imported now, and a decoder's child may open no file.
    content = b"".join(b"\0" + letter.encode("ascii") for letter in text)
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(content), 28) + content
