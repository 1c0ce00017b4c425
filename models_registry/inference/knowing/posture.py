"""Which way up a picture is, and whether it is a negative: a linear reading of its coarse picture, where the training fixes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models_registry.inference.preprocess import Pixels

Floats = npt.NDArray[np.float64]
TURNED_LEFT, UPSIDE_DOWN, TURNED_RIGHT, INVERTED = "turned_left", "upside_down", "turned_right", "inverted"


def _quarter(times: int) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.ascontiguousarray(np.rot90(pixels, times, axes=(1, 2)))


# `Pixels` as they should be -> the same in another posture.
PUT: Final[dict[str, Callable[[Pixels], Pixels]]] = {
    TURNED_LEFT: _quarter(1),
    UPSIDE_DOWN: _quarter(2),
    TURNED_RIGHT: _quarter(3),
    INVERTED: lambda pixels: 255 - pixels,
}
# The way back.
BACK: Final = {
    TURNED_LEFT: PUT[TURNED_RIGHT],
    UPSIDE_DOWN: PUT[UPSIDE_DOWN],
    TURNED_RIGHT: PUT[TURNED_LEFT],
    INVERTED: PUT[INVERTED],
}


@dataclass(frozen=True)
class Posture:
    """A linear discriminant: `weights` (P, D) and `bias` (P,) give the log odds of each of the postures `names` against upright."""

    names: tuple[str, ...]
    weights: Floats
    bias: Floats

    def odds(self, thumbs: Floats) -> Floats:
        """Coarse pictures (N, D) -> log odds (N, P)."""
        return np.asarray(thumbs @ self.weights.T + self.bias)
