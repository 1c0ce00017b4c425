"""Is there writing near the border of a picture? A guess that only makes a person look before others do.

Ultrasound machines, screenshots and digitised films draw names, numbers and dates into the picture itself. Drawn letters
are small even shapes on an even ground, side by side on a line; tissue, noise and bones are not. A single side marker
(R, L) or a short word is not a reason: nobody can be identified by it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from images.decoding.pieces import Box, boxes

_SIDE: Final = 1280  # larger pictures are looked at in this size, or a little more
_BLOCK: Final = 16
_EVERY: Final = 4  # the first look takes every fourth row
_EDGE: Final = 48  # grey levels between two neighbours that a drawn stroke has and tissue hardly ever
_EDGES_OF_A_BLOCK: Final = 5
_BLOCKS: Final = 12  # nine of ten radiographs have fewer such blocks, and need no second look
_EVEN_WITHIN: Final = 8
_EVEN_SHARE: Final = 0.45
_INK: Final = 56
_MAX_RUNS: Final = 40_000

_GLYPH_HEIGHT: Final = (5, 48)
_GLYPHS_OF_A_LINE: Final = 4
# Fewer are a side marker or a position. Of 248 real radiographs none has more than 4, most have none.
_GLYPHS: Final = 8
_BORDER: Final = 0.25


def near_border(grey: Image.Image) -> bool:
    """True where at least _GLYPHS letters are on lines in the outer quarter of an image of mode 'L'."""
    factor = max(grey.size) // _SIDE
    pixels = np.asarray(grey.reduce(factor) if factor > 1 else grey)
    rows, columns = (side // _BLOCK * _BLOCK for side in pixels.shape)
    top, bottom = _rows_with_edges(pixels[:rows, :columns])
    if top == bottom:
        return False
    glyphs = [box for box in boxes(_ink(pixels[top:bottom, :columns]), _MAX_RUNS) if _is_glyph(box)]
    return sum(len(line) for line in _lines(glyphs) if _is_outside(line, top, pixels.shape)) >= _GLYPHS


def _rows_with_edges(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """The first row and the one after the last that can hold writing, judged by a quick look; (0, 0): none."""
    sample = pixels[::_EVERY]
    left, right = sample[:, :-1], sample[:, 1:]
    edges = np.zeros(sample.shape, np.bool_)
    np.greater_equal(np.maximum(left, right) - np.minimum(left, right), _EDGE, out=edges[:, :-1])
    if np.count_nonzero(edges) < _BLOCKS * _EDGES_OF_A_BLOCK:
        return 0, 0
    blocks = edges.reshape(pixels.shape[0] // _BLOCK, -1, pixels.shape[1] // _BLOCK, _BLOCK)
    busy = np.count_nonzero(blocks, axis=(1, 3)) >= _EDGES_OF_A_BLOCK
    rows = np.flatnonzero(busy.any(axis=1))
    if np.count_nonzero(busy) < _BLOCKS:
        return 0, 0
    return max(0, int(rows[0]) - 1) * _BLOCK, min(busy.shape[0], int(rows[-1]) + 2) * _BLOCK


def _ink(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """What stands out from an even ground. Blocks whose ground is uneven have no ink."""
    rows, columns = pixels.shape
    blocks = pixels.reshape(rows // _BLOCK, _BLOCK, columns // _BLOCK, _BLOCK).swapaxes(1, 2)
    flat = blocks.reshape(*blocks.shape[:2], -1)
    sample = flat[..., ::3]
    middle = sample.shape[2] // 2
    ground = np.partition(sample, middle, axis=2)[..., middle, None]
    distance = np.maximum(flat, ground) - np.minimum(flat, ground)
    even = np.count_nonzero(distance <= _EVEN_WITHIN, axis=2) >= _EVEN_SHARE * flat.shape[2]
    ink = (distance >= _INK) & even[..., None]
    out: NDArray[np.bool_] = ink.reshape(blocks.shape).swapaxes(1, 2).reshape(rows, columns)
    return out


def _lines(glyphs: list[Box]) -> list[list[Box]]:
    """Glyphs of like height, side by side on a line, with gaps no wider than one and a half of their height."""
    lines: list[list[Box]] = []
    for glyph in sorted(glyphs, key=lambda box: box.left):
        for line in lines:
            if _continues(line[-1], glyph):
                line.append(glyph)
                break
        else:
            lines.append([glyph])
    return [line for line in lines if len(line) >= _GLYPHS_OF_A_LINE]


def _continues(last: Box, glyph: Box) -> bool:
    overlap = min(last.bottom, glyph.bottom) - max(last.top, glyph.top)
    low, high = sorted((last.height, glyph.height))
    return -2 <= glyph.left - last.right <= 1.5 * high and overlap >= 0.6 * low and high <= 2 * low


def _is_glyph(box: Box) -> bool:
    low, high = _GLYPH_HEIGHT
    return low <= box.height <= high and box.width <= 3 * box.height and box.ink >= 0.15 * box.width * box.height


def _is_outside(line: list[Box], top: int, shape: tuple[int, ...]) -> bool:
    """Whether the middle of a line lies in the outer part of the picture; rows count from `top`."""
    across = (line[0].left + line[-1].right) / 2 / shape[1]
    down = (top + (line[0].top + line[0].bottom) / 2) / shape[0]
    return min(across, 1 - across, down, 1 - down) <= _BORDER
