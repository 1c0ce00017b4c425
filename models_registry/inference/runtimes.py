"""What runs the networks of a bundle: one pass over the tiles gives the logits and the features that they were read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .architectures import Network, features
from .names import TILE_SIDE
from .poses import AS_IT_IS, Poses
from .preprocess import Pixels, Preprocess

BATCH = 32
Single = npt.NDArray[np.float32]


def batch_for(size: int) -> int:
    """How many pictures of this size pass through the networks at a time: BATCH of tiles, and no more pixels of larger ones."""
    return max(1, min(BATCH, BATCH * TILE_SIDE**2 // size**2))


@dataclass(frozen=True)
class Outputs:
    """Mean logits (N, K) of the networks, and the pooled features (N, D) that their heads read, side by side; both float32."""

    logits: Single
    features: Single


def posed(network: Any, x: Tensor, poses: Poses) -> tuple[Tensor, Tensor]:
    """The logits (N, K), their mean over the poses, and the pooled features (N, D): of scans that may lie any way their mean over
    the poses, which the head reads and which is the same however a scan was turned; else those of the scan as it is."""
    pooled = features(network, x)
    if not poses.turned:
        return poses.mean(network.fc(pooled), network, x), pooled
    pooled = poses.mean(pooled, partial(features, network), x)
    return network.fc(pooled), pooled


class Runtime(Protocol):
    """Anything that computes `Outputs`; safe to share between threads."""

    def run(self, tiles: Pixels) -> Outputs:
        """Tiles uint8 (N, 256, 256), or `Pixels` -> `Outputs`."""
        ...


class Eager:
    """PyTorch as it is: what every bundle can be run with, and what other runtimes are compared with.

    The logits are those of `predictor.mean_logits`: the mean over `poses`. The features are those that `posed` says.
    """

    def __init__(
        self, networks: Sequence[Network], preprocess: Preprocess, *, poses: Poses = AS_IT_IS, device: str = "cpu"
    ) -> None:
        self._networks, self._preprocess, self._poses, self._device = networks, preprocess, poses, device

    def run(self, tiles: Pixels) -> Outputs:
        size = batch_for(self._preprocess.size)
        rows = [self._batch(tiles[start : start + size]) for start in range(0, len(tiles), size)]
        if not rows:
            return self._nothing()
        return Outputs(np.concatenate([row.logits for row in rows]), np.concatenate([row.features for row in rows]))

    def _batch(self, tiles: Pixels) -> Outputs:
        with torch.inference_mode():
            x = self._preprocess.to_tensor(tiles).to(self._device, memory_format=torch.channels_last)
            found = [posed(network, x, self._poses) for network in self._networks]
        logits = [one.float().cpu().numpy() for one, _ in found]
        joined = torch.cat([two for _, two in found], dim=1).float().cpu().numpy()
        mean = logits[0] if len(logits) == 1 else np.mean(logits, axis=0, dtype=np.float64)
        return Outputs(np.asarray(mean, dtype=np.float32), np.asarray(joined, dtype=np.float32))

    def _nothing(self) -> Outputs:
        heads = [network.fc for network in self._networks]
        width = sum(head.in_features for head in heads)
        return Outputs(np.zeros((0, heads[0].out_features), np.float32), np.zeros((0, width), np.float32))
