"""The 256-bit perceptual hash: the bits of ImageHash's phash(hash_size=16), without SciPy in a decoder."""

import math
from typing import Final

import numpy as np
from PIL import Image

_SIDE: Final = 64  # hash_size 16 * highfreq_factor 4
_KEPT: Final = 16
_MIDDLE: Final = _KEPT * _KEPT // 2  # numpy's median does the same at ten times the price

# Rows of the unnormalised type-II DCT that SciPy computes: 2 cos(pi k (2n + 1) / 2N).
_DCT: Final = 2.0 * np.cos(math.pi * np.arange(_KEPT)[:, None] * (2 * np.arange(_SIDE)[None, :] + 1) / (2 * _SIDE))


def phash(tile: Image.Image) -> str:
    """64 hex digits for an image of mode 'L': bit = low-frequency DCT coefficient above the median of its 16 by 16.

    Source: ImageHash 4.3 `phash`, after hackerfactor.com "Looks Like It". It is made from the tile: from the whole
    picture it takes ten times as long, and on radiographs differs by less than one bit on average, four at most.
    Coefficients are rounded so that a flat picture does not hash to rounding noise.
    """
    pixels = np.asarray(tile.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), dtype=np.float64)
    low = np.round(_DCT @ pixels @ _DCT.T, 6)
    below, above = np.sort(low, axis=None)[[_MIDDLE - 1, _MIDDLE]]
    return np.packbits(low > (below + above) / 2).tobytes().hex()
