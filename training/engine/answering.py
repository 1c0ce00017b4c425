"""What networks say of pictures that need not be in memory all together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models_registry.inference.architectures import Network
from models_registry.inference.predictor import mean_logits
from models_registry.inference.preprocess import Preprocess
from models_registry.inference.runtimes import BATCH

from .pictures import Pictures, in_turn


def logits_of(
    networks: Sequence[Network],
    preprocess: Preprocess,
    pictures: Pictures,
    *,
    flip_tta: bool = False,
    device: str = "cpu",
) -> npt.NDArray[np.float32]:
    """`predictor.mean_logits` (N, K) of all of them, part by part: of whole batches, so that this changes no number."""
    parts = in_turn(pictures, BATCH)
    rows = [mean_logits(networks, preprocess, part, flip_tta=flip_tta, device=device) for part in parts]
    return np.concatenate(rows or [mean_logits(networks, preprocess, pictures[:0])])
