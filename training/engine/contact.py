"""What the network sees of some training scans, before the random changes and after them: for people to look at."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models_registry.inference.preprocess import Pixels, planes, shrink

from .augment import Changes, augment
from .config import TrainConfig
from .data import Labels, balanced_order, generator

# Random numbers of its own: the run's are drawn as if nobody had looked.
CONTACT_PURPOSE = 21
MOST_SCANS, FEWEST_SCANS = 18, 6
# So many numbers are changed in a tenth of a second.
AFFORDABLE = 2_000_000


def chosen(labels: Labels, n_classes: int, config: TrainConfig) -> Labels:
    """Which training scans are shown (indices): the first that the run learns from, of every class. Of large pictures fewer."""
    most = AFFORDABLE // (config.image_size**2 * config.look.channels)
    order = list(dict.fromkeys(balanced_order(labels, n_classes, config.seed, 0).tolist()))
    # Whole rows of six.
    count = min(MOST_SCANS, max(FEWEST_SCANS, most // FEWEST_SCANS * FEWEST_SCANS))
    return np.asarray(order[:count], dtype=np.int64)


def before_and_after(pixels: Pixels, config: TrainConfig) -> tuple[Pixels, Pixels]:
    """`Pixels` of the run's size as the network is given them, and the same as they are changed in learning. The global random
    state is left alone."""
    seen = shrink(pixels, config.image_size)
    unit = planes(torch.from_numpy(seen)).to(torch.float32).div_(255)
    random = generator(config.seed, 0, CONTACT_PURPOSE)
    return seen, _levels(augment(unit, Changes.of(config), random), seen)


def _levels(unit: Tensor, like: Pixels) -> Pixels:
    whole = (unit * 255).round_().to(torch.uint8)
    return (whole[:, 0] if like.ndim == 3 else whole.permute(0, 2, 3, 1)).numpy()
