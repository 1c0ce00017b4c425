"""From a scan's view for learning to the square of whole levels that a network sees.

Whole numbers from end to end: levels come from tables of 8 or 16 bits, and Pillow resizes in fixed point. So the result is the
same to the bit on every machine and any number of threads. A view of 1,024 x 1,024 in colour takes about 6 ms on one core.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from .looks import Look
from .names import COLOUR, LETTERBOX, WINDOWS

Levels = npt.NDArray[np.uint8]
# What a window of no width is as wide as, in the scan's own values.
LEAST_WIDTH: Final = 1e-6
# A row or column belongs to a scan's frame where fewer of its pixels than this share, such as letters, differ from the border's
# level by more than so many levels.
FRAME_LEVELS, FRAME_SHARE = 8, 0.1


class View(Protocol):
    """A scan as it is learned from: what `images` keeps of it under this name has these parts.

    `pixels`: grey uint8 or uint16 (H, W), or colour uint8 (H, W, 3), at the scan's own shape. `slope`, `intercept`: a pixel p of
    16 bits stands for p * slope + intercept in the scan's own values (Hounsfield units of a CT). `window`: the values, of
    this kind, that are black and white when pages show the scan; the first one is the larger where small values are bright.
    """

    @property
    def pixels(self) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]: ...
    @property
    def slope(self) -> float: ...
    @property
    def intercept(self) -> float: ...
    @property
    def window(self) -> tuple[float, float]: ...


def see(view: View, look: Look, size: int) -> Levels:
    """uint8 (size, size), or (size, size, C) where the look has several channels; a new array."""
    _check(view.pixels)
    if look.sees == WINDOWS:
        pictures = [_windowed(view, centre - width / 2, centre + width / 2) for centre, width in look.windows]
        planes = [_fitted(picture, size, look.shape) for picture in pictures]
        return planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)
    if look.sees == COLOUR:
        found = _fitted(shown(view), size, look.shape)
        return found if found.ndim == 3 else np.repeat(found[:, :, None], 3, axis=2)
    grey = _grey(shown(view))
    return _fitted(equalised(grey) if look.equalises else grey, size, look.shape)


def content_box(width: int, height: int, size: int) -> tuple[int, int, int, int]:
    """Where a scan of this shape lies in a square of `size` pixels that it is fitted into: left, top, right, bottom."""
    scale = size / max(width, height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
    return left, top, left + inner[0], top + inner[1]


def _check(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> None:
    grey = pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16)
    coloured = pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
    if not (grey or coloured) or 0 in pixels.shape:
        raise ValueError(
            f"a view must be grey uint8 or uint16 (H, W), or colour uint8 (H, W, 3), got {pixels.dtype} {pixels.shape}"
        )


def shown(view: View) -> Image.Image:
    """Its 8 bits as pages show it."""
    if view.pixels.dtype == np.uint16:
        black, white = view.window
        return _windowed(view, black, white)
    return Image.fromarray(view.pixels)


def _grey(picture: Image.Image) -> Image.Image:
    """ITU-R BT.601 in whole numbers, as the tile is made."""
    return picture if picture.mode == "L" else picture.convert("L")


def equalised(grey: Image.Image) -> Image.Image:
    """All levels of the scan about as frequent, so that they say nothing of its exposure; the same order. A frame around it, as
    films and exports have, is not counted: it would push the scan's own levels together.

    Gonzalez & Woods, "Digital Image Processing", 4th ed., section 3.3.
    """
    levels = np.asarray(grey)
    other = np.abs(levels.astype(np.int16) - int(_border(levels))) > FRAME_LEVELS
    rows, columns = (np.flatnonzero(other.mean(axis=axis) >= FRAME_SHARE) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return ImageOps.equalize(grey)
    mask = Image.new("L", grey.size)
    mask.paste(255, (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    return ImageOps.equalize(grey, mask)


def _windowed(view: View, black: float, white: float) -> Image.Image:
    pixels = view.pixels if view.pixels.ndim == 2 else np.asarray(_grey(Image.fromarray(view.pixels)))
    table = _table(1 << (8 * pixels.itemsize), float(view.slope), float(view.intercept), float(black), float(white))
    return Image.fromarray(np.take(table, pixels))


@lru_cache(maxsize=64)
def _table(count: int, slope: float, intercept: float, black: float, white: float) -> Levels:
    """The level of each value that a pixel can have, between black and white."""
    width = (white - black) or LEAST_WIDTH
    shares = (np.arange(count, dtype=np.float64) * slope + intercept - black) / width
    table = np.rint(np.clip(shares * 255, 0, 255)).astype(np.uint8)
    table.setflags(write=False)
    return table


def _fitted(picture: Image.Image, size: int, shape: str) -> Levels:
    """Antialiased bilinear; a margin continues the border's median level."""
    box = content_box(*picture.size, size) if shape == LETTERBOX else (0, 0, size, size)
    left, top, right, bottom = box
    inner = np.asarray(picture.resize((right - left, bottom - top), Image.Resampling.BILINEAR))
    if inner.shape[:2] == (size, size):
        return inner.copy()
    whole = np.empty((size, size, *inner.shape[2:]), dtype=np.uint8)
    whole[...] = _border(inner)
    whole[top:bottom, left:right] = inner
    return whole


def _border(inner: Levels) -> Levels:
    """The median level, of each channel; of two in the middle the darker one."""
    edge = np.concatenate([inner[0], inner[-1], inner[:, 0], inner[:, -1]])
    return np.asarray(np.sort(edge, axis=0)[(len(edge) - 1) // 2], dtype=np.uint8)
