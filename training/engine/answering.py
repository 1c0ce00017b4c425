"""What networks say of pictures that need not be in memory all together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from models_registry.inference.architectures import Network
from models_registry.inference.poses import AS_IT_IS, Poses
from models_registry.inference.predictor import mean_logits
from models_registry.inference.preprocess import Preprocess
from models_registry.inference.runtimes import BATCH

from .group import ALONE, Group
from .pictures import Pictures, chosen, in_turn
from .sharing import rows


def logits_of(
    networks: Sequence[Network],
    preprocess: Preprocess,
    pictures: Pictures,
    *,
    poses: Poses = AS_IT_IS,
    device: str = "cpu",
    group: Group = ALONE,
) -> npt.NDArray[np.float32]:
    """`predictor.mean_logits` (N, K) of all of them, part by part: of whole batches, so that this changes no number. The
    processes of a group make a part each, and all get the whole."""

    def said(span: slice) -> torch.Tensor:
        parts = in_turn(chosen(pictures, span), BATCH)
        found = [mean_logits(networks, preprocess, part, poses=poses, device=device) for part in parts]
        return torch.from_numpy(np.concatenate(found or [mean_logits(networks, preprocess, pictures[:0])]))

    whole = rows(group, len(pictures), BATCH, networks[0].fc.out_features, said)
    return np.asarray(whole, dtype=np.float32)
