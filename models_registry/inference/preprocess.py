"""The only preprocessing of the project: validation, test and grading all turn tiles into tensors here.

A tile is a grey uint8 array of 256 x 256 (aspect squashed, antialiased) made once at ingest. A network sees it shrunk to
its own size, in whole grey levels again: so a training keeps its scans in size x size bytes each, and they are exactly
the pixels that the network will see when it serves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from .names import MIN_SIZE, TILE_SIDE

MAX_SIZE = TILE_SIDE

Tiles = npt.NDArray[np.uint8]
# Scans processed as float32 at a time: 32 MiB of tiles.
CHUNK = 128


def check_tiles(tiles: Tiles, size: int = TILE_SIDE) -> None:
    """Raise `ValueError` unless `tiles` is uint8 of shape (N, 256, 256), or (N, size, size) as `shrink` leaves it."""
    if tiles.dtype != np.uint8 or tiles.ndim != 3 or tiles.shape[1:] not in {(TILE_SIDE, TILE_SIDE), (size, size)}:
        raise ValueError(f"tiles must be uint8 (N, {TILE_SIDE}, {TILE_SIDE}), got {tiles.dtype} {tiles.shape}")


def shrink(tiles: Tiles, size: int) -> Tiles:
    """uint8 (N, 256, 256) -> uint8 (N, size, size): antialiased bilinear, rounded to whole grey levels.

    What has that size already comes back as it is.
    """
    check_tiles(tiles, size)
    if tiles.shape[1] == size:
        return tiles
    result = np.empty((len(tiles), size, size), dtype=np.uint8)
    for start in range(0, len(tiles), CHUNK):
        x = torch.from_numpy(tiles[start : start + CHUNK].astype(np.float32)).unsqueeze(1)
        small = functional.interpolate(x, (size, size), mode="bilinear", antialias=True)
        result[start : start + CHUNK] = small.round_().clamp_(0, 255).to(torch.uint8)[:, 0].numpy()
    return result


@dataclass(frozen=True)
class Preprocess:
    """Resize to `size` pixels a side, scale to 0..1, subtract `mean`, divide by `std`, repeat over `channels`."""

    size: int
    mean: float
    std: float
    channels: int = 1

    def __post_init__(self) -> None:
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise ValueError(f"preprocess.size must be {MIN_SIZE}..{MAX_SIZE}, got {self.size}")
        if not (math.isfinite(self.mean) and math.isfinite(self.std) and self.std > 0):
            raise ValueError(f"preprocess.mean and std must be finite and std positive, got {self.mean}, {self.std}")
        if self.channels not in (1, 3):
            raise ValueError(f"preprocess.channels must be 1 or 3, got {self.channels}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocess:
        """Inverse of `to_dict`; `ValueError` names what is missing or wrong."""
        try:
            return cls(int(data["size"]), float(data["mean"]), float(data["std"]), int(data["channels"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"preprocess is incomplete: {error}") from error

    @classmethod
    def fitted(cls, tiles: Tiles, size: int) -> Preprocess:
        """Grey preprocessing with the mean and standard deviation of the shrunk `tiles` on the 0..1 scale."""
        counts = np.zeros(256, dtype=np.int64)
        for start in range(0, len(tiles), CHUNK):
            counts += np.bincount(shrink(tiles[start : start + CHUNK], size).ravel(), minlength=256)
        levels = np.arange(256) / 255
        mean = float((counts * levels).sum() / counts.sum())
        std = math.sqrt(float((counts * (levels - mean) ** 2).sum() / counts.sum()))
        return cls(size, round(mean, 6), max(round(std, 6), 1e-3), 1)

    def resize(self, tiles: Tiles) -> Tensor:
        """uint8 (N, 256, 256), or what `shrink` made of it -> float32 (N, 1, size, size) in 0..1."""
        return torch.from_numpy(shrink(tiles, self.size)).unsqueeze(1).to(torch.float32).div_(255)

    def normalise(self, unit: Tensor) -> Tensor:
        """float32 (N, 1, size, size) in 0..1 -> float32 (N, channels, size, size), zero mean and unit variance."""
        return ((unit - self.mean) / self.std).expand(-1, self.channels, -1, -1)

    def to_tensor(self, tiles: Tiles) -> Tensor:
        """uint8 (N, 256, 256), or what `shrink` made of it -> float32 (N, channels, size, size)."""
        return self.normalise(self.resize(tiles))
