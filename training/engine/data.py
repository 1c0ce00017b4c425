"""Training data as plain arrays, and the seeded class-balanced sampler."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models_registry.inference.names import MIN_SIZE
from models_registry.inference.preprocess import Preprocess, check_tiles, planes

from .config import ConfigError
from .device import Device
from .framing import Scans, drawn, of_scans
from .pictures import Pictures, ahead, at_size, in_turn

Labels = npt.NDArray[np.int64]
FRAME_PURPOSE = 20


@dataclass(frozen=True)
class TrainData:
    """Tiles uint8 (N, 256, 256), or `Pixels` of the run's size, and labels int64 (N,) in 0..n_classes-1 for training and
    validation.

    Tiles may have been shrunk to the picture size of the run already (`preprocess.shrink`): that saves memory and
    changes nothing else. So does an array that is read as it is needed (`pictures.Lazy`).

    `train_scans`, `val_scans`: of scans of several frames which scan each picture shows (`framing.Scans`), always of all of its
    frames; then labels are those of pictures, and figures are about scans.
    """

    train_tiles: Pictures
    train_labels: Labels
    val_tiles: Pictures
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


def _check_part(part: str, tiles: Pictures, labels: Labels, n_classes: int) -> None:
    try:
        check_tiles(tiles[:0], max(MIN_SIZE, *tiles.shape[1:3]))
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


def epoch_seed(seed: int, epoch: int, purpose: int, rank: int = 0) -> int:
    """A seed of its own for every epoch and purpose, and for each process where several train together.

    Deriving it, instead of carrying generator states along, is what makes a resumed run see the numbers that the
    uninterrupted one would have seen.
    """
    words = [seed, epoch, purpose, *filter(None, [rank])]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, epoch: int, purpose: int, device: str = "cpu", rank: int = 0) -> torch.Generator:
    """A torch generator seeded by `epoch_seed`."""
    result = torch.Generator(device=device)
    result.manual_seed(epoch_seed(seed, epoch, purpose, rank))
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
    """All inputs of a training in whole grey levels: in the memory of the device where they take no more than a share of what is
    free there; else where they are, in this machine's memory or read as they are needed, from where each batch goes over as
    bytes."""

    def __init__(self, tiles: Pictures, preprocess: Preprocess, device: Device) -> None:
        self._device = device
        self._pictures = at_size(tiles, preprocess.size)
        self._resident: Tensor | None = None
        if device.has_memory_of_its_own and device.has_room_for(self._pictures.nbytes):
            self._resident = self._moved(self._pictures)
        elif isinstance(self._pictures, np.ndarray):
            self._resident = torch.from_numpy(self._pictures)

    def _moved(self, pictures: Pictures) -> Tensor:
        there = torch.empty(pictures.shape, dtype=torch.uint8, device=self._device.name)
        start = 0
        for part in in_turn(pictures):
            there[start : start + len(part)] = torch.from_numpy(part)
            start += len(part)
        return there

    def __len__(self) -> int:
        return len(self._pictures)

    @property
    def nbytes(self) -> int:
        return self._pictures.nbytes

    def batch(self, index: Labels) -> Tensor:
        """The inputs of `index` in its order: float32 (N, C, size, size) in 0..1, C is 1 for grey, on the device."""
        if self._resident is None:
            return self._unit(self._device.sendable(self._pictures[index]))
        return self._unit(self._resident[torch.from_numpy(index).to(self._resident.device)])

    def through(self, plan: Sequence[Labels]) -> Generator[Tensor, None, None]:
        """`batch` of each part of the plan, read ahead where reading takes time. Close it where it is left early."""
        if self._resident is not None and self._resident.device.type == torch.device(self._device.name).type:
            return (self.batch(index) for index in plan)
        sent = ahead(self._pictures, plan, self._device.sendable, threads=self._device.has_memory_of_its_own)
        return self._units(sent)

    def _units(self, sent: Generator[Tensor, None, None]) -> Generator[Tensor, None, None]:
        with closing(sent):
            for chosen in sent:
                yield self._unit(chosen)

    def _unit(self, chosen: Tensor) -> Tensor:
        return self._device.place(planes(chosen)).to(torch.float32).div_(255)
