"""The only preprocessing of the project: training, validation, test and grading all turn scans into tensors here.

What a network sees of a scan is one of these (`looks.Look`):

- TILE: a grey uint8 array of 256 x 256 (aspect squashed, antialiased) made once at ingest, shrunk to the network's size.
- GREY, COLOUR, WINDOWS: made of the scan's view for learning (`View`), which has the scan's own shape, up to 1,024 pixels, and
  its colours or its 16 bits. WINDOWS: several ranges of the scan's own values, such as Hounsfield units, one a channel.

Both ways end in `Pixels`: whole levels of 0..255, size x size, grey or with the channels last. A training keeps them as they
are, and they are exactly what the network will see when it serves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from .looks import MAX_CHANNELS, TILES, Look
from .names import MIN_SIZE, TILE_SIDE
from .seen import View, content_box, see

__all__ = [
    "CHUNK",
    "Pixels",
    "Preprocess",
    "Tiles",
    "View",
    "blank",
    "blank_inputs",
    "check_tiles",
    "content_box",
    "planes",
    "shrink",
]

Tiles = npt.NDArray[np.uint8]
# uint8 (N, S, S), or (N, S, S, C) with 2 or 3 channels.
Pixels = npt.NDArray[np.uint8]
# Scans processed as float32 at a time: 32 MiB of tiles.
CHUNK = 128


def check_tiles(tiles: Pixels, size: int = TILE_SIDE) -> None:
    """Raise `ValueError` unless `tiles` is uint8 of shape (N, 256, 256), or (N, size, size), or (N, size, size, 2 or 3)."""
    grey = tiles.ndim == 3 and tiles.shape[1:] in {(TILE_SIDE, TILE_SIDE), (size, size)}
    coloured = tiles.ndim == 4 and tiles.shape[1:3] == (size, size) and 2 <= tiles.shape[3] <= MAX_CHANNELS
    if tiles.dtype != np.uint8 or not (grey or coloured):
        raise ValueError(
            f"tiles must be uint8 (N, {TILE_SIDE}, {TILE_SIDE}), or (N, {size}, {size}) with or without channels, "
            f"got {tiles.dtype} {tiles.shape}"
        )


def shrink(tiles: Pixels, size: int) -> Pixels:
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


def planes(pixels: Tensor) -> Tensor:
    """(N, S, S) or (N, S, S, C) -> (N, C, S, S), C is 1 for grey; no copy."""
    return pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Preprocess:
    """Resize to `size` pixels a side, scale to 0..1, subtract `mean`, divide by `std`, repeat grey over `channels`.

    `mean`, `std`: one number, or one for each channel of what is seen, which is `look`.
    """

    size: int
    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]
    channels: int = 1
    look: Look = TILES

    def __post_init__(self) -> None:
        if not MIN_SIZE <= self.size <= self.look.most_size:
            raise ValueError(f"preprocess.size must be {MIN_SIZE}..{self.look.most_size}, got {self.size}")
        for values in (self.mean, self.std):
            if isinstance(values, tuple) and len(values) != self.look.channels:
                raise ValueError(f"preprocess.mean and std must be numbers, or {self.look.channels} of them")
        means, stds = np.atleast_1d(self.mean), np.atleast_1d(self.std)
        if not (np.isfinite(means).all() and np.isfinite(stds).all() and (stds > 0).all()):
            raise ValueError(f"preprocess.mean and std must be finite and std positive, got {self.mean}, {self.std}")
        if self.channels not in ({1, 3} if self.look.channels == 1 else {self.look.channels}):
            raise ValueError(f"preprocess.channels must fit what is seen, got {self.channels}")

    @property
    def needs_views(self) -> bool:
        """Whether pixels are made of views for learning; else of tiles."""
        return self.look.needs_views

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        mean, std = (list(values) if isinstance(values, tuple) else values for values in (self.mean, self.std))
        return {"size": self.size, "mean": mean, "std": std, "channels": self.channels, **self.look.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocess:
        """Inverse of `to_dict`; `ValueError` names what is missing or wrong."""
        try:
            levels = _numbers(data["mean"]), _numbers(data["std"])
            return cls(int(data["size"]), *levels, int(data["channels"]), Look.from_dict(data))
        except (KeyError, TypeError) as error:
            raise ValueError(f"preprocess is incomplete: {error}") from error

    @classmethod
    def fitted(cls, tiles: Pixels, size: int, look: Look = TILES) -> Preprocess:
        """With the mean and standard deviation, for each channel, of the shrunk `tiles` on the 0..1 scale."""
        return cls.fitted_on((tiles[start : start + CHUNK] for start in range(0, len(tiles), CHUNK)), size, look)

    @classmethod
    def fitted_on(cls, parts: Iterable[Pixels], size: int, look: Look = TILES) -> Preprocess:
        """`fitted`, for scans that come part by part."""
        channels = look.channels
        counts = np.zeros((channels, 256), dtype=np.int64)
        for part in parts:
            levels = shrink(part, size).reshape(-1, size, channels)
            for channel in range(channels if len(levels) else 0):
                # Nine times as fast as numpy's count, which makes eight bytes of every level.
                counts[channel] += Image.fromarray(np.ascontiguousarray(levels[:, :, channel])).histogram()
        mean, std = zip(*map(_moments, counts), strict=True)
        return cls(size, mean[0], std[0], 1, look) if channels == 1 else cls(size, mean, std, channels, look)

    def pixels(self, views: Sequence[View]) -> Pixels:
        """What the network sees of scans: uint8 (N, size, size), or (N, size, size, C). Not for what sees tiles."""
        if not self.needs_views:
            raise ValueError("pixels of tiles are made by `shrink`")
        made = blank(self, len(views))
        for index, view in enumerate(views):
            made[index] = see(view, self.look, self.size)
        return made

    def sized(self, given: Pixels) -> Pixels:
        """Tiles uint8 (N, 256, 256) shrunk, or `Pixels` as they are. `ValueError` for what this look cannot have made."""
        if not self.needs_views:
            return shrink(given, self.size)
        if given.dtype != np.uint8 or given.shape[1:] != blank(self, 0).shape[1:]:
            raise ValueError(
                f"what it sees is made of views by `pixels`: uint8 {('N', *blank(self, 0).shape[1:])}, "
                f"got {given.dtype} {given.shape}"
            )
        return given

    def resize(self, given: Pixels) -> Tensor:
        """uint8 tiles (N, 256, 256), or `Pixels` -> float32 (N, C, size, size) in 0..1, C is 1 for grey."""
        return planes(torch.from_numpy(self.sized(given))).to(torch.float32).div_(255)

    def normalise(self, unit: Tensor) -> Tensor:
        """float32 (N, C, size, size) in 0..1 -> float32 (N, channels, size, size), zero mean and unit variance."""
        mean, std = (_broadcast(values, unit) for values in (self.mean, self.std))
        return ((unit - mean) / std).expand(-1, self.channels, -1, -1)

    def to_tensor(self, tiles: Pixels) -> Tensor:
        """uint8 tiles (N, 256, 256), or `Pixels` -> float32 (N, channels, size, size)."""
        return self.normalise(self.resize(tiles))


def blank(preprocess: Preprocess, count: int) -> Pixels:
    """Black `Pixels` of `count` scans."""
    return np.zeros(preprocess.look.shape_of(count, preprocess.size), dtype=np.uint8)


def blank_inputs(preprocess: Preprocess, count: int) -> tuple[Tiles, Pixels | None]:
    """Of `count` black scans, as `Predictor.predict` takes them."""
    tiles = np.zeros((count, TILE_SIDE, TILE_SIDE), dtype=np.uint8)
    return tiles, blank(preprocess, count) if preprocess.needs_views else None


def _numbers(values: Any) -> float | tuple[float, ...]:
    return tuple(float(value) for value in values) if isinstance(values, list | tuple) else float(values)


def _broadcast(values: float | tuple[float, ...], like: Tensor) -> float | Tensor:
    if isinstance(values, float):
        return values
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, -1, 1, 1)


def _moments(counts: npt.NDArray[np.int64]) -> tuple[float, float]:
    levels = np.arange(256) / 255
    mean = float((counts * levels).sum() / counts.sum())
    std = math.sqrt(float((counts * (levels - mean) ** 2).sum() / counts.sum()))
    return round(mean, 6), max(round(std, 6), 1e-3)
