"""What needs no statistic: a picture of nothing, and one that is far too small."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from models_registry.inference.preprocess import Tiles
from models_registry.inference.refer_reasons import ReferReason

# Grey levels between which nearly all of a picture lies that shows nothing; a low-contrast radiograph spans more than 40.
BLANK_LEVELS: Final = 10
# Neighbouring pixels of a picture are alike: radiographs reach 0.95, coarse microscopy 0.7, noise is near 0.
NOISE_CORRELATION: Final = 0.35
# What differs from an even border takes up less than this share of the area.
EMPTY_SHARE: Final = 0.12
BORDER_LEVELS: Final = 12
EVEN_BORDER: Final = 0.6
# Of the shortest side that the version learned from: below it, detail that it relies on was never recorded.
SMALL_SHARE: Final = 0.5


def too_small(shorter_side: int, smallest_side: int) -> tuple[ReferReason, ...]:
    """The shorter side in pixels of the picture as it came in, and the shortest one of any scan that the version learned from;
    0 where nobody says."""
    small = 0 < shorter_side < SMALL_SHARE * smallest_side
    return (ReferReason.TOO_SMALL,) if small else ()


def quality(tiles: Tiles) -> list[tuple[ReferReason, ...]]:
    """Of each picture uint8 (N, S, S): why nobody could read it, at most one reason."""
    return [_quality(tile.astype(np.float64)) for tile in tiles]


def _quality(tile: npt.NDArray[np.float64]) -> tuple[ReferReason, ...]:
    low, high = np.quantile(tile, (0.005, 0.995))
    if high - low < BLANK_LEVELS:
        return (ReferReason.BLANK,)
    if _likeness(tile) < NOISE_CORRELATION:
        return (ReferReason.NOISE,)
    return (ReferReason.MOSTLY_EMPTY,) if _shown(tile) < EMPTY_SHARE else ()


def _likeness(tile: npt.NDArray[np.float64]) -> float:
    """Correlation of neighbouring pixels, across and down."""
    variance = float(tile.var())
    steps = (float((np.diff(tile, axis=axis) ** 2).mean()) for axis in (0, 1))
    return 1 - sum(steps) / (4 * variance)


def _shown(tile: npt.NDArray[np.float64]) -> float:
    """The share of the area of the smallest box that holds all that differs from the border; 1 where the border is not even."""
    border = np.concatenate([tile[0], tile[-1], tile[:, 0], tile[:, -1]])
    grey = np.median(border)
    # What is shown may touch the border.
    if np.quantile(np.abs(border - grey), EVEN_BORDER) > BORDER_LEVELS:
        return 1.0
    differs = np.abs(tile - grey) > BORDER_LEVELS
    # Lines that differ in single pixels are dust.
    rows, columns = (np.flatnonzero(differs.mean(axis=axis) > 0.01) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return 0.0
    return float((rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)) / tile.size
