"""What runs the networks of a bundle: one pass over the tiles gives the logits and the features that they were read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .architectures import Network, features
from .names import TILE_SIDE
from .preprocess import Pixels, Preprocess

BATCH = 32
Single = npt.NDArray[np.float32]


def batch_of(preprocess: Preprocess) -> int:
    """Scans at a time: BATCH up to the size of a tile, beyond it as many as have no more pixels."""
    return max(1, min(BATCH, BATCH * TILE_SIDE**2 // preprocess.size**2))


@dataclass(frozen=True)
class Outputs:
    """Mean logits (N, K) of the networks, and the pooled features (N, D) that their heads read, side by side; both float32."""

    logits: Single
    features: Single


class Runtime(Protocol):
    """Anything that computes `Outputs`; safe to share between threads."""

    def run(self, tiles: Pixels) -> Outputs:
        """Tiles uint8 (N, 256, 256), or `Pixels` -> `Outputs`."""
        ...


class Eager:
    """PyTorch as it is: what every bundle can be run with, and what other runtimes are compared with.

    The logits are those of `predictor.mean_logits`: with `flip_tta` the mean over the scan and its mirror image. The features
    are always those of the scan as it is.
    """

    def __init__(
        self, networks: Sequence[Network], preprocess: Preprocess, *, flip_tta: bool = False, device: str = "cpu"
    ) -> None:
        self._networks, self._preprocess, self._flip_tta, self._device = networks, preprocess, flip_tta, device

    def run(self, tiles: Pixels) -> Outputs:
        most = batch_of(self._preprocess)
        rows = [self._batch(tiles[start : start + most]) for start in range(0, len(tiles), most)]
        if not rows:
            return self._nothing()
        return Outputs(np.concatenate([row.logits for row in rows]), np.concatenate([row.features for row in rows]))

    def _batch(self, tiles: Pixels) -> Outputs:
        with torch.inference_mode():
            x = self._preprocess.to_tensor(tiles).to(self._device, memory_format=torch.channels_last)
            found = [self._network(network, x) for network in self._networks]
        logits = [one.float().cpu().numpy() for one, _ in found]
        joined = torch.cat([two for _, two in found], dim=1).float().cpu().numpy()
        mean = logits[0] if len(logits) == 1 else np.mean(logits, axis=0, dtype=np.float64)
        return Outputs(np.asarray(mean, dtype=np.float32), np.asarray(joined, dtype=np.float32))

    def _network(self, network: Network, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled = features(network, x)
        logits: Tensor = network.fc(pooled)
        if self._flip_tta:
            logits = (logits + network(x.flip(-1))) / 2
        return logits, pooled

    def _nothing(self) -> Outputs:
        heads = [network.fc for network in self._networks]
        width = sum(head.in_features for head in heads)
        return Outputs(np.zeros((0, heads[0].out_features), np.float32), np.zeros((0, width), np.float32))
