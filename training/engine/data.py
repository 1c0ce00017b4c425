"""Training data as plain arrays, and the seeded class-balanced sampler."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models_registry.inference.names import MIN_SIZE
from models_registry.inference.preprocess import Preprocess, Tiles, check_tiles, planes, shrink

from .config import ConfigError
from .device import Device
from .framing import Scans, drawn, of_scans

Labels = npt.NDArray[np.int64]
FRAME_PURPOSE = 20


@dataclass(frozen=True)
class TrainData:
    """Tiles uint8 (N, 256, 256), or `Pixels` of the run's size, and labels int64 (N,) in 0..n_classes-1 for training and
    validation.

    Tiles may have been shrunk to the picture size of the run already (`preprocess.shrink`): that saves memory and
    changes nothing else.

    `train_scans`, `val_scans`: of scans of several frames which scan each picture shows (`framing.Scans`), always of all of its
    frames; then labels are those of pictures, and figures are about scans.
    """

    train_tiles: Tiles
    train_labels: Labels
    val_tiles: Tiles
    val_labels: Labels
    n_classes: int
    train_scans: Scans = None
    val_scans: Scans = None

    def __post_init__(self) -> None:
        for part in ("train", "val"):
            _check_part(part, getattr(self, f"{part}_tiles"), getattr(self, f"{part}_labels"), self.n_classes)
        missing = sorted(set(range(self.n_classes)) - set(np.unique(self.train_labels).tolist()))
        if missing:
            raise ConfigError(
                "train_labels", f"class {missing[0]} has no training scan; label some or retire the class"
            )

    @property
    def prevalence(self) -> tuple[float, ...]:
        """The share of each class among the training scans."""
        labels = of_scans(self.train_labels, self.train_scans)
        counts = np.bincount(labels, minlength=self.n_classes)
        return tuple(float(c) / len(labels) for c in counts)

    @property
    def judged_labels(self) -> Labels:
        """The labels of the validation scans."""
        return of_scans(self.val_labels, self.val_scans)


def _check_part(part: str, tiles: Tiles, labels: Labels, n_classes: int) -> None:
    try:
        check_tiles(tiles, max(MIN_SIZE, *tiles.shape[1:3]))
    except ValueError as error:
        raise ConfigError(f"{part}_tiles", str(error)) from error
    if len(tiles) == 0:
        raise ConfigError(f"{part}_tiles", f"there is no scan in the {part} split")
    if len(labels) != len(tiles):
        raise ConfigError(f"{part}_labels", f"{len(labels)} labels for {len(tiles)} tiles")
    if n_classes < 2:
        raise ConfigError("n_classes", f"must be at least 2, got {n_classes}")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ConfigError(f"{part}_labels", f"labels must be in 0..{n_classes - 1}")


def epoch_seed(seed: int, epoch: int, purpose: int) -> int:
    """A seed of its own for every epoch and purpose.

    Deriving it, instead of carrying generator states along, is what makes a resumed run see the numbers that the
    uninterrupted one would have seen.
    """
    return int(np.random.SeedSequence([seed, epoch, purpose]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, epoch: int, purpose: int, device: str = "cpu") -> torch.Generator:
    """A torch generator seeded by `epoch_seed`."""
    result = torch.Generator(device=device)
    result.manual_seed(epoch_seed(seed, epoch, purpose))
    return result


def balanced_order(labels: Labels, n_classes: int, seed: int, epoch: int) -> Labels:
    """Indices of one epoch, shuffled: about len(labels) in all, every class equally often, each scan as evenly as possible."""
    rng = np.random.default_rng(epoch_seed(seed, epoch, 1))
    per_class = -(-len(labels) // n_classes)
    chosen = []
    for k in range(n_classes):
        members = np.flatnonzero(labels == k)
        rounds = [rng.permutation(members) for _ in range(-(-per_class // len(members)))]
        chosen.append(np.concatenate(rounds)[:per_class])
    return np.asarray(rng.permutation(np.concatenate(chosen)), dtype=np.int64)


def epoch_order(data: TrainData, seed: int, epoch: int) -> Labels:
    """Pictures of one epoch, as `balanced_order` says of scans: one with many frames comes no more often, and each time by one of
    them."""
    order = balanced_order(of_scans(data.train_labels, data.train_scans), data.n_classes, seed, epoch)
    return drawn(order, data.train_scans, np.random.default_rng(epoch_seed(seed, epoch, FRAME_PURPOSE)))


def batches(order: Labels, batch_size: int) -> list[Labels]:
    """Consecutive batches; a last one too small for batch normalisation to mean anything joins the one before."""
    starts = range(0, len(order), batch_size)
    parts = [order[start : start + batch_size] for start in starts]
    if len(parts) > 1 and len(parts[-1]) < max(2, batch_size // 4):
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts


class UnitInputs:
    """All inputs of a training in whole grey levels, size x size bytes a scan: in the memory of the device where they take
    no more than a share of what is free there, else in this machine's, from where each batch goes over as bytes."""

    def __init__(self, tiles: Tiles, preprocess: Preprocess, device: Device) -> None:
        pixels = planes(torch.from_numpy(shrink(tiles, preprocess.size)))
        self.pixels = pixels.to(device.name) if device.has_room_for(pixels.nbytes) else pixels
        self._device = device

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, index: Labels) -> Tensor:
        """The inputs of `index` in its order: float32 (N, C, size, size) in 0..1, C is 1 for grey, on the device."""
        chosen = self.pixels[torch.from_numpy(index).to(self.pixels.device)]
        return self._device.place(chosen).to(torch.float32).div_(255)
