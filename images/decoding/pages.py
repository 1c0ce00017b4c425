"""The pages of a TIFF file as files of their own: TIFF again, with the same values and nothing but the picture."""

import io

import numpy as np
from PIL import Image, TiffImagePlugin

from images.decoding import deep, tiffs
from images.decoding.containers import tiff_pages
from images.decoding.errors import too_many_pixels
from images.decoding.facts import Facts
from images.decoding.job import Job
from images.decoding.parts import Parts

_BITS = 258
_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0
_DEEP_GREY = ("I;16", "I;16B", "I;16L", "I;16N")


def split(data: bytes, job: Job, first: int) -> Parts:
    """Files of the pages from `first` on, as many as one answer takes. Raises Undecodable."""
    parts = Parts(tiff_pages(data), job.max_frames)
    if parts.count == 1:
        return parts
    Image.MAX_IMAGE_PIXELS = None  # the check below can name the size
    with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as im:
        for index in range(first, parts.count):
            im.seek(index)
            if im.width * im.height > job.max_pixels:
                raise too_many_pixels(im.width, im.height, job.max_pixels)
            parts.add(_file(im, data))
            if parts.is_full:
                break
    return parts


def _file(im: TiffImagePlugin.TiffImageFile, data: bytes) -> bytes:
    white_is_zero = im.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    tiffs.mend(im)
    im.load()  # turns it upright
    page = _page(im, data)
    page.info.clear()
    if white_is_zero and page.mode in _DEEP_GREY:  # the others are done: findings/pillow_negative_of_deep_tiffs.sh
        page = Image.fromarray(np.uint16(65535) - np.asarray(page).astype(np.uint16))
    buffer = io.BytesIO()
    page.save(buffer, "TIFF", compression="tiff_adobe_deflate")
    return buffer.getvalue()


def _page(im: TiffImagePlugin.TiffImageFile, data: bytes) -> Image.Image:
    facts = Facts("TIFF", im.mode, im.size, max(im.tag_v2.get(_BITS, (1,))), 1)
    if deep.is_deep(im, facts):
        return deep.page(im, data, facts)
    if tiffs.is_unsigned_32(im):
        return Image.fromarray(np.asarray(im).view(np.uint32).astype(np.float32))
    return im.copy()
