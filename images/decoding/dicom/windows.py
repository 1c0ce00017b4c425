"""The functions of a window: from values to 0 (black) to 1 (white). Source: PS3.3 C.11.2.1.2 and C.11.2.1.3."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Window = Callable[[NDArray[Any]], NDArray[np.float64]]

_FAR: Final = 700.0  # exp() of more is no number
_HAIR: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Plain:
    """A window that goes straight from black at `low` to white at `high`; a sigmoid does so in its middle."""

    low: float
    high: float
    levels: Window

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        return self.levels(values)


def window(function: str, center: float, width: float) -> Plain | None:
    """The window, or None where there can be none of this width. `function`: LINEAR where it is none of the others."""
    if not (math.isfinite(center) and math.isfinite(width) and width > 0):
        return None
    if function == "SIGMOID":
        return _around(
            center, width, lambda values: 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -_FAR, _FAR)))
        )
    if function == "LINEAR_EXACT":
        return _around(center, width, lambda values: np.clip((values - center) / width + 0.5, 0.0, 1.0))
    if width < 1:
        return None
    if width == 1:
        step = center - 0.5
        return Plain(step, step + _HAIR, lambda values: (values > step).astype(np.float64))
    return _around(
        center - 0.5,
        width - 1.0,
        lambda values: np.clip((values - (center - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0),
    )


def _around(middle: float, width: float, levels: Window) -> Plain:
    return Plain(middle - width / 2, middle + width / 2, levels)
