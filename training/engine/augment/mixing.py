"""Two pictures as one, with the labels of both."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def mixed(x: Tensor, target: Tensor, n_classes: int, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """(N, C, S, S) and the classes (N,) -> the same pictures, each blended with another of the batch, and what they show of each
    class (N, K). The share of the other is at most a half, from Beta(alpha, alpha), and one for all of them. `rng` is of the
    processor: a number drawn on a GPU would have to be waited for.

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018: from few scans a network learns to be less sure
    between the classes.
    """
    other = min(share := float(rng.beta(alpha, alpha)), 1 - share)
    partner = torch.from_numpy(rng.permutation(len(x))).to(x.device)
    shown = functional.one_hot(target, n_classes).to(x.dtype)
    return torch.lerp(x, x[partner], other), torch.lerp(shown, shown[partner], other)
