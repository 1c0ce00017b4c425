"""Pictures that are always the same, to see whether a bundle answers at all and whether two ways of running it agree."""

from __future__ import annotations

import numpy as np

from .names import TILE_SIDE
from .preprocess import Tiles


def reference_tiles() -> Tiles:
    """uint8 (4, 256, 256), always the same: black, a ramp, a checkerboard and noise."""
    ramp = np.tile(np.arange(TILE_SIDE, dtype=np.uint8), (TILE_SIDE, 1))
    board = (np.indices((TILE_SIDE, TILE_SIDE)).sum(axis=0) // 16 % 2 * 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (TILE_SIDE, TILE_SIDE), dtype=np.uint8)
    return np.stack([np.zeros_like(ramp), ramp, board, noise])
