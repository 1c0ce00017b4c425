"""Grey levels of one channel."""

from __future__ import annotations

import torch
from torch import Tensor

from .drawing import of_each, uniform

GAMMA = 0.25
CONTRAST = 0.20
BRIGHTNESS = 0.08


def toned(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """(N, 1, S, S) with other gamma, contrast and brightness.

    It stands for the jitter of a window too: of 16 bits only the 8 of the scan's window have come this far. What lies beyond
    it is in no pixel; a look at wider windows (`colour.rewindowed`) has it.
    """
    n = len(x)
    gamma = of_each(torch.exp(uniform(n, -GAMMA, GAMMA, generator) * strength))
    contrast = 1 + of_each(uniform(n, -CONTRAST, CONTRAST, generator) * strength)
    brightness = of_each(uniform(n, -BRIGHTNESS, BRIGHTNESS, generator) * strength)
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x.clamp(1e-4, 1) ** gamma - middle) * contrast + middle + brightness
