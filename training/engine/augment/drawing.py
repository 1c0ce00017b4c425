"""Random numbers of a batch, one for each picture, drawn where the generator lives."""

from __future__ import annotations

import torch
from torch import Tensor


def uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.empty(n, device=generator.device).uniform_(low, high, generator=generator)


def of_each(values: Tensor) -> Tensor:
    """(N,) or (N, C) -> (N, 1 or C, 1, 1), to be laid over pictures."""
    return values.view(len(values), -1, 1, 1)
