"""Colours, or grey with alpha, of 16 bits per channel, of which Pillow keeps the upper half only.

A file is read twice, the second time with its bytes taken the other way round: that gives the lower half. So a scanner's
12 bits in a file of 16 are no black picture, and grey that was saved as colour is windowed like grey.
"""

import io
import sys
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from images.decoding import tiffs
from images.decoding.facts import Facts
from images.decoding.own import Meaning
from images.decoding.window import shift_of, to_grey, windowed

_BITS: Final = 16
_OPAQUE: Final = 255
_HALF: Final = 128  # an upper byte of less leaves the first bit unused
_HOST: Final = "L" if sys.byteorder == "little" else "B"
_OTHER: Final = {"L": "B", "B": "L", "N": "B" if _HOST == "L" else "L"}
_GREY_ALPHA_OF_PNG: Final = 4

Channel = NDArray[np.uint8]


def is_deep(im: Image.Image, facts: Facts) -> bool:
    """Whether the picture is one of these."""
    return facts.bits == _BITS and im.mode in ("RGB", "RGBA")


def picture(im: Image.Image, data: bytes, facts: Facts) -> Image.Image:
    """The whole picture of a loaded file in 8 bits: L or RGB, with an alpha channel where the file has one."""
    channels, alpha = _channels(im, data, facts)
    is_opaque = alpha is None or bool(alpha.min() == _OPAQUE)
    shown = _eight_bit(channels, facts, is_opaque=is_opaque)
    if alpha is not None:
        shown.putalpha(Image.fromarray(alpha))
    return shown


def page(im: Image.Image, data: bytes, facts: Facts) -> Image.Image:
    """The same to be kept as a file: with all 16 bits where it is grey without alpha."""
    channels, alpha = _channels(im, data, facts)
    if alpha is None and channels[0].dtype == np.uint16 and _are_equal(channels):
        return Image.fromarray(channels[0])
    return picture(im, data, facts)


def _channels(im: Image.Image, data: bytes, facts: Facts) -> tuple[list[NDArray[Any]], Channel | None]:
    """Grey or the three colours, and alpha. Of 16 bits where the lower half is needed, else the upper half of them."""
    upper, alpha = _upper(im, data, facts)
    if not _are_equal(upper) and max(int(one.max()) for one in upper) >= _HALF:
        return list(upper), alpha
    lower = _lower(im, data, facts)
    return [one.astype(np.uint16) << 8 | low for one, low in zip(upper, lower, strict=True)], alpha


def _are_equal(channels: list[Any]) -> bool:
    return all(np.array_equal(channels[0], other) for other in channels[1:])


def _eight_bit(channels: list[NDArray[Any]], facts: Facts, *, is_opaque: bool) -> Image.Image:
    if channels[0].dtype == np.uint8:
        shift_of(2**_BITS - 1, _BITS, facts.notes)
        return Image.fromarray(np.stack(channels, axis=-1))
    if _are_equal(channels):
        grey, low, high = to_grey(Image.fromarray(channels[0]), inverted=False)
        if facts.own is not None and is_opaque:
            facts.own.keep(channels[0], Meaning(low, high))
        facts.notes.append(windowed(low, high))
        return grey
    shift = shift_of(max(int(one.max()) for one in channels), _BITS, facts.notes)
    return Image.fromarray(np.stack([(one >> shift).astype(np.uint8) for one in channels], axis=-1))


def _upper(im: Image.Image, data: bytes, facts: Facts) -> tuple[list[Channel], Channel | None]:
    """The upper bytes of grey or of the three colours, and of alpha."""
    bands = [np.asarray(band) for band in im.split()]
    if isinstance(im, TiffImagePlugin.TiffImageFile) and tiffs.is_grey_alpha(im):
        return ([bands[1]], bands[3]) if _low_first(im) else ([bands[0]], bands[2])
    colours = bands[:1] if _is_grey_alpha_png(data, facts) else bands[:3]
    return colours, bands[3] if len(bands) > 3 else None


def _lower(im: Image.Image, data: bytes, facts: Facts) -> list[Channel]:
    """The lower bytes, channel by channel as `_upper` gives the others."""
    if isinstance(im, TiffImagePlugin.TiffImageFile) and tiffs.is_grey_alpha(im):
        return [np.asarray(im.getchannel(0 if _low_first(im) else 1))]
    if isinstance(im, TiffImagePlugin.TiffImageFile) and tiffs.is_planar(im) and tiffs.compression(im) != 1:
        raise tiffs.PLANES  # libtiff reads them in its own way
    grey_alpha = _is_grey_alpha_png(data, facts)
    with Image.open(io.BytesIO(data), formats=(facts.format,)) as again:
        again.seek(im.tell())
        if isinstance(again, TiffImagePlugin.TiffImageFile):
            tiffs.mend(again)
        again.tile = [tile._replace(args=_other_way(tile.args, grey_alpha=grey_alpha)) for tile in again.tile]
        again.load()
        # Grey, alpha: two bytes each, which are the four of mode RGBA.
        return [np.asarray(again.getchannel(at)) for at in ((1,) if grey_alpha else (0, 1, 2))]


def _other_way(args: Any, *, grey_alpha: bool) -> Any:
    rawmode = args if isinstance(args, str) else args[0]
    turned = "RGBA" if grey_alpha else rawmode[:-1] + _OTHER[rawmode[-1]]
    return turned if isinstance(args, str) else (turned, *args[1:])


def _is_grey_alpha_png(data: bytes, facts: Facts) -> bool:
    return facts.format == "PNG" and data[25] == _GREY_ALPHA_OF_PNG


def _low_first(im: TiffImagePlugin.TiffImageFile) -> bool:
    """Whether the lower byte comes first: libtiff gives the order of the machine, else it is the file's."""
    return _HOST == "L" if tiffs.compression(im) != 1 else im.tag_v2.prefix == b"II"
