"""What Pillow does not know about TIFF, or gets wrong without a word: told to it before it loads a page.

Left alone, Pillow 13 reads bytes of compressed big-endian floats and signed integers in the wrong order, takes every other
byte of uncompressed planes of 16 bits, and knows neither floats of 64 bits nor grey of 16 bits with alpha.
"""

import io
from typing import Any, Final

from PIL import TiffImagePlugin

from images.decoding.errors import Undecodable

_BITS, _COMPRESSION, _SAMPLES, _PLANAR, _KIND = 258, 259, 277, 284, 339
_LITTLE, _BIG = b"II", b"MM"
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_ALPHAS: Final = (0, 1, 2)
# Grey and alpha of two bytes each, read as four channels: of all modes only this one has four bytes as they are.
_GREY_ALPHA: Final = ("RGBA", "RGBA")

_NAMES: Final = {33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 50002: "JPEG XL"}
_COMPRESSED: Final = "This TIFF is compressed in a way that is not supported ({}). Export the scan as PNG."
_UNUSUAL: Final = (
    "This TIFF has channels, or bits per channel, in a combination that is not supported. Export the scan as PNG."
)
PLANES: Final = Undecodable(
    "unsupported_format",
    "The channels of this TIFF lie apart, with 16 bits each, in a way that is not supported. Export the scan as PNG.",
)

for _order, _sign in ((_LITTLE, ""), (_BIG, "B")):
    TiffImagePlugin.OPEN_INFO.setdefault((_order, 1, (_FLOAT,), 1, (64,), ()), ("F", f"F;64{_sign}F"))
    TiffImagePlugin.OPEN_INFO.setdefault((_order, 1, (_UNSIGNED,), 1, (32,), ()), ("I", f"I;32{_sign}"))
    for _alpha in _ALPHAS:
        TiffImagePlugin.OPEN_INFO.setdefault((_order, 1, (_UNSIGNED,), 1, (16, 16), (_alpha,)), _GREY_ALPHA)


def refusal(data: bytes) -> Undecodable | None:
    """Why Pillow takes no picture from a TIFF that is whole, or None where the reason is another one."""
    try:
        TiffImagePlugin.TiffImageFile(io.BytesIO(data))
    except SyntaxError as error:
        text = str(error)
        if text.isdecimal():
            return Undecodable("unsupported_format", _COMPRESSED.format(_NAMES.get(int(text), f"number {text}")))
        if text == "unknown pixel mode":
            return Undecodable("unsupported_format", _UNUSUAL)
    # Damage is told elsewhere.
    except Exception:
        return None
    return None


def mend(im: TiffImagePlugin.TiffImageFile) -> None:
    """Correct how the tiles of the page at hand are to be read. Raises Undecodable where no way is known."""
    if is_grey_alpha(im) and is_planar(im):
        raise PLANES
    im.tile = [tile._replace(args=_args(im, tile.codec_name, tile.args)) for tile in im.tile]


def is_planar(im: TiffImagePlugin.TiffImageFile) -> bool:
    """Whether each channel lies apart."""
    return im.tag_v2.get(_PLANAR) == 2


def is_grey_alpha(im: TiffImagePlugin.TiffImageFile) -> bool:
    """Whether the page has grey and alpha of 16 bits each, which come as the four bytes of mode RGBA."""
    return tuple(im.tag_v2.get(_BITS, ())) == (16, 16) and im.mode == "RGBA"


def is_unsigned_32(im: TiffImagePlugin.TiffImageFile) -> bool:
    """Whether mode I, which is signed, holds values that are not."""
    return im.mode == "I" and _kind(im) == _UNSIGNED and _bits(im) == 32


def compression(im: TiffImagePlugin.TiffImageFile) -> int:
    """The number of the compression."""
    return int(im.tag_v2.get(_COMPRESSION, 1))


def _args(im: TiffImagePlugin.TiffImageFile, codec: str, args: Any) -> Any:
    if not isinstance(args, tuple):
        return args
    rawmode = _of_one_channel(im, codec) if im.mode in ("I", "F") else _of_a_plane(im, codec, args[0])
    return (rawmode or args[0], *args[1:])


def _of_one_channel(im: TiffImagePlugin.TiffImageFile, codec: str) -> str:
    """Pillow's name of how deep grey is stored; libtiff gives it in the order of the machine."""
    order = "N" if codec == "libtiff" else _mark(im)
    kind = {_FLOAT: "F", _SIGNED: "S"}.get(_kind(im), "")
    return f"{im.mode};{_bits(im)}{order}{kind}" if _bits(im) > 8 else ""


def _of_a_plane(im: TiffImagePlugin.TiffImageFile, codec: str, rawmode: str) -> str:
    """The same for a plane of 16 bits that is not compressed: see findings/pillow_planes_of_16_bits.sh."""
    if codec != "raw" or not is_planar(im) or len(rawmode) != 1 or _bits(im) != 16:
        return ""
    return im.mode if im.mode.startswith("I;16") else f"{rawmode};16{_mark(im) or 'L'}"


def _mark(im: TiffImagePlugin.TiffImageFile) -> str:
    return "B" if im.tag_v2.prefix == _BIG else ""


def _bits(im: TiffImagePlugin.TiffImageFile) -> int:
    return int(max(im.tag_v2.get(_BITS, (1,))))


def _kind(im: TiffImagePlugin.TiffImageFile) -> int:
    return int(max(im.tag_v2.get(_KIND, (_UNSIGNED,))))
