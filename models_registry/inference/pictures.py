"""Pictures that are always the same, to see whether a bundle answers at all and whether two ways of running it agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .names import TILE_SIDE
from .preprocess import Pixels, Preprocess, Tiles


@dataclass(frozen=True)
class ReferenceView:
    """As a `View` of a scan."""

    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] = (0.0, 255.0)


def reference_tiles() -> Tiles:
    """uint8 (4, 256, 256), always the same: black, a ramp, a checkerboard and noise."""
    ramp = np.tile(np.arange(TILE_SIDE, dtype=np.uint8), (TILE_SIDE, 1))
    board = (np.indices((TILE_SIDE, TILE_SIDE)).sum(axis=0) // 16 % 2 * 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (TILE_SIDE, TILE_SIDE), dtype=np.uint8)
    return np.stack([np.zeros_like(ramp), ramp, board, noise])


def reference_views() -> list[ReferenceView]:
    """As many, always the same: black, a wide grey ramp of 16 bits that stands for -1,000 to 3,095, a tall checkerboard in colour,
    and noise in colour."""
    values = np.tile(np.arange(0, 4096, 8, dtype=np.uint16), (TILE_SIDE, 1))
    board = np.indices((2 * TILE_SIDE, TILE_SIDE)).sum(axis=0) // 16 % 2
    coloured = np.array([[20, 60, 120], [230, 170, 60]], dtype=np.uint8)[board]
    noise = np.random.default_rng(0).integers(0, 256, (TILE_SIDE, TILE_SIDE, 3), dtype=np.uint8)
    return [
        ReferenceView(np.zeros((TILE_SIDE, TILE_SIDE), dtype=np.uint8)),
        ReferenceView(values, 1.0, -1000.0, (-1000.0, 3095.0)),
        ReferenceView(coloured),
        ReferenceView(noise),
    ]


def reference_pixels(preprocess: Preprocess) -> Pixels:
    """What networks see of the reference: tiles, or the pixels of the views."""
    return preprocess.pixels(reference_views()) if preprocess.needs_views else reference_tiles()


def reference_inputs(preprocess: Preprocess) -> tuple[Tiles, Pixels | None]:
    """The same, as `Predictor.predict` takes it."""
    return reference_tiles(), preprocess.pixels(reference_views()) if preprocess.needs_views else None
