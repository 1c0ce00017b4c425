"""Pictures by Pillow (FORMATS says which): the order is header, refusal of what is too large, every pixel, eight bits, upright.

Loading every pixel is the only real check for a truncated file.
"""

import importlib
import io
from typing import Final

from PIL import Image, TiffImagePlugin

from images.decoding import containers, deep, formats, icc, tiffs
from images.decoding.errors import no_frame, too_many_pixels
from images.decoding.facts import Facts
from images.decoding.job import Job
from images.decoding.own import Meaning
from images.decoding.shaping import RENDITION_SIDE, fitting, plain, shrunk
from images.decoding.window import numbers, to_grey, windowed

# Imported before the child may no longer open files.
for _name in formats.PICTURES:
    for _plugin in formats.picture(_name).plugins:
        importlib.import_module(f"PIL.{_plugin}")

_ORIENTATION: Final = 0x0112
_BITS_PER_SAMPLE: Final = 258
_PHOTOMETRIC: Final = 262
_WHITE_IS_ZERO: Final = 0
_DEEP_MODES: Final = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
_TRANSPOSE: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load(data: bytes, job: Job) -> tuple[Image.Image, Facts]:
    """The whole picture, upright, 8-bit grey or RGB, less than twice RENDITION_SIDE long, with the facts of its file."""
    fmt, max_pixels, known = job.format, job.max_pixels, formats.picture(job.format)
    pages = known.count(data)
    Image.MAX_IMAGE_PIXELS = None  # the check below can name the size; Pillow's own guards what comes after it
    with Image.open(io.BytesIO(data), formats=(fmt,)) as im:
        Image.MAX_IMAGE_PIXELS = max_pixels
        page = _turned_to(im, job.frame, pages if fmt == "TIFF" else 1)
        width, height = im.size
        if width * height > max_pixels:
            raise too_many_pixels(width, height, max_pixels)
        known.check(data)
        facts = _facts(im, data, fmt, pages, page)
        facts.wanted(job)
        if isinstance(im, TiffImagePlugin.TiffImageFile):
            facts.orientation = _orientation(im, facts)  # Pillow applies and drops it while it loads
            tiffs.mend(im)
        elif fmt == "JPEG":
            containers.check_scans(data, width * height, progressive="progressive" in im.info)
            if not facts.is_whole:
                im.draft(None, fitting(im.size, RENDITION_SIDE))  # fewer pixels, but all of the file is still read
        im.load()
        is_deep = deep.is_deep(im, facts)
        picture = plain(shrunk(deep.picture(im, data, facts), facts), facts) if is_deep else _eight_bit(im, facts)
        picture = icc.to_srgb(picture, _profile(im) if im.mode != "CMYK" else None, facts.notes)
        if not isinstance(im, TiffImagePlugin.TiffImageFile):
            facts.orientation = _orientation(im, facts)
            picture = _upright(picture, facts)
    if facts.orientation != 1:
        facts.notes.append(f"The picture was turned upright as its EXIF orientation ({facts.orientation}) says.")
    return picture, facts


def _profile(im: Image.Image) -> bytes | None:
    profile = im.info.get("icc_profile")
    return profile if isinstance(profile, bytes) else None


def _turned_to(im: Image.Image, frame: int, pages: int) -> int:
    """The page that is used, from 0, with the file opened there. Of an animation only the first picture is one of a scan."""
    if frame > pages:
        raise no_frame(frame, pages)
    if frame > 1:
        im.seek(frame - 1)
    return max(0, frame - 1)


def _facts(im: Image.Image, data: bytes, fmt: str, pages: int, page: int) -> Facts:
    frames = pages if fmt == "TIFF" else int(getattr(im, "n_frames", 1))
    facts = Facts(fmt, im.mode, im.size, 8, frames, shown=page)
    if isinstance(im, TiffImagePlugin.TiffImageFile):
        facts.bits = 16 if max(im.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8 else 8
        facts.white_is_zero = im.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    elif fmt == "PNG":
        facts.bits = 16 if data[24] == 16 else 8  # bit depth in IHDR
    if facts.frames > 1:
        which = f"{formats.picture(fmt).part} {page + 1} of {facts.frames}"
        # Pages can be looked at one by one; the pictures of an animation, and what a phone keeps beside one, cannot.
        facts.notes.append(
            f"{which} stands for the scan." if fmt == "TIFF" else f"{which} is used; the others are ignored."
        )
    return facts


def _orientation(im: Image.Image, facts: Facts) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or the EXIF block cannot be read."""
    try:
        value = im.getexif().get(_ORIENTATION, 1)
    # A bad EXIF block takes nothing from the pixels, whatever its parser raises.
    except Exception:
        facts.notes.append("The EXIF block of the file is damaged and was ignored.")
        return 1
    return int(value) if value in _TRANSPOSE else 1


def _upright(picture: Image.Image, facts: Facts) -> Image.Image:
    if facts.orientation == 1:
        return picture
    if facts.orientation >= 5:
        facts.size = (facts.size[1], facts.size[0])
    if facts.own is not None:
        facts.own.turn(_TRANSPOSE[facts.orientation])
    return picture.transpose(_TRANSPOSE[facts.orientation])


def _eight_bit(im: Image.Image, facts: Facts) -> Image.Image:
    """Mode 'L' or 'RGB', less than twice RENDITION_SIDE long. Shrinks before it converts where it can: it saves memory."""
    if im.mode in _DEEP_MODES:
        unsigned = isinstance(im, TiffImagePlugin.TiffImageFile) and tiffs.is_unsigned_32(im)
        grey, low, high = to_grey(im, inverted=facts.white_is_zero, unsigned=unsigned)
        if facts.own is not None:
            meaning = Meaning(high, low) if facts.white_is_zero else Meaning(low, high)
            facts.own.keep(numbers(im, unsigned=unsigned), meaning)
        facts.notes.append(windowed(low, high))
        return shrunk(grey, facts)
    if facts.bits == 16:
        facts.notes.append("The file has 16 bits per channel; the 8 most significant ones are used.")
    if im.mode == "P":
        return _eight_bit_palette(im, facts)
    if im.mode == "1":
        return shrunk(im.convert("L"), facts)
    small = shrunk(im, facts)
    return plain(icc.to_srgb(small, _profile(im), facts.notes) if im.mode == "CMYK" else small, facts)


def _eight_bit_palette(im: Image.Image, facts: Facts) -> Image.Image:
    full = im.convert("RGBA" if "transparency" in im.info else "RGB")
    return plain(shrunk(full, facts), facts)
