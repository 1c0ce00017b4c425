"""How a picture was taken: now and then out of focus, always a little noisy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .drawing import of_each, uniform

NOISE = 0.02
BLUR_SHARE = 0.25


def softened(x: Tensor, strength: float, generator: torch.Generator, share: Tensor | None = None) -> Tensor:
    """(N, C, S, S). All channels get the same noise, as they show the same place; `share`: how much of it in each."""
    n = len(x)
    sigma = of_each(uniform(n, 0, NOISE, generator) * strength)
    blurred = _blurred(x)
    chosen = of_each(uniform(n, 0, 1, generator) < BLUR_SHARE * min(strength, 1))
    noise = torch.empty_like(x[:, :1]).normal_(generator=generator)
    if share is not None:
        noise = noise * share.view(1, -1, 1, 1)
    return torch.where(chosen, blurred, x) + sigma * noise


def _blurred(x: Tensor) -> Tensor:
    """The mean of three by three pixels."""
    wide = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    if x.shape[1] == 1:
        # Grey runs of earlier days are made again to the bit.
        return functional.avg_pool2d(wide, 3, stride=1)
    # Of several channels sums of shifted pictures take a fifth of the pool's time.
    rows = (wide[:, :, :-2] + wide[:, :, 1:-1]).add_(wide[:, :, 2:])
    return (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:]).mul_(1 / 9)
