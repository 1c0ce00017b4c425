"""All that a run is given, and that stays as it is while it goes on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models_registry.inference.frames import of_each_scan
from models_registry.inference.preprocess import Preprocess

from .checkpoint import run_key
from .config import ConfigError, TrainConfig
from .data import TrainData, UnitInputs, batches, epoch_order
from .device import Device
from .group import ALONE, Group

FROZEN, FULL = "frozen", "full"
# A pass over cached features costs milliseconds, so a frozen epoch makes several.
FROZEN_SWEEPS = 10


@dataclass(frozen=True)
class Setting:
    """`inputs` and `targets`: the training scans and their labels, placed on the device. `key`: what a checkpoint must
    belong to. `knows_something`: the weights are not random at the start, so that deep stages open late and learn
    slowly. `frozen_epochs`: those of this run, none when it continues from a version. `group`: the processes that train it
    together."""

    data: TrainData
    config: TrainConfig
    preprocess: Preprocess
    device: Device
    inputs: UnitInputs
    targets: Tensor
    key: str
    knows_something: bool
    frozen_epochs: int
    group: Group = ALONE

    @classmethod
    def of(
        cls,
        data: TrainData,
        config: TrainConfig,
        preprocess: Preprocess,
        device: Device,
        *,
        continued: bool,
        seen_without_labels: str = "",
        group: Group = ALONE,
    ) -> Setting:
        """`continued`: the run goes on from a version's weights. `seen_without_labels`: what names the scans that it learns from
        without their labels, where there are any. Raises ConfigError where the processes are too many for the scans."""
        _require_enough(data, config, group)
        labels = data.train_labels.tolist(), data.val_labels.tolist()
        scans = [one.tolist() for one in (data.train_scans, data.val_scans) if one is not None]
        # Each process has random numbers of its own, and batch normalisation sees its shards: another number trains otherwise.
        processes = [] if group.alone else [group.size]
        return cls(
            data=data,
            config=config,
            preprocess=preprocess,
            device=device,
            inputs=UnitInputs(data.train_tiles, preprocess, device),
            targets=torch.from_numpy(data.train_labels).to(device.name),
            key=run_key(
                *(config.identity(), *labels, preprocess.to_dict(), *scans),
                *filter(None, [seen_without_labels]),
                *processes,
            ),
            knows_something=continued or config.pretrained,
            frozen_epochs=0 if continued else config.frozen_epochs,
            group=group,
        )

    @property
    def shard_size(self) -> int:
        """Scans of a whole batch that one process computes, at most."""
        return -(-self.config.batch_size // self.group.size)

    @property
    def full_epochs(self) -> int:
        """The epochs in which the whole network may learn, when all are run."""
        return self.config.epochs - self.frozen_epochs

    def phase_of(self, epoch: int) -> str:
        return FROZEN if epoch < self.frozen_epochs else FULL

    def steps_of(self, phase: str) -> int:
        """The steps of all epochs of the phase."""
        order = epoch_order(self.data, self.config.seed, 0)
        per_sweep = len(batches(order, self.config.batch_size))
        if phase == FROZEN:
            return per_sweep * FROZEN_SWEEPS * self.frozen_epochs
        return per_sweep * self.full_epochs

    def of_scans(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Logits of validation pictures -> those of the scans that they show, as they are served: by the mean."""
        return logits if self.data.val_scans is None else of_each_scan(logits, self.data.val_scans)

    def no_logits(self) -> npt.NDArray[np.float32]:
        return np.zeros((0, self.data.n_classes), dtype=np.float32)


def _require_enough(data: TrainData, config: TrainConfig, group: Group) -> None:
    """Batch normalisation needs two scans of each process, in the smallest batch too."""
    fewest = min(map(len, batches(epoch_order(data, config.seed, 0), config.batch_size)))
    if not group.alone and fewest < 2 * group.size:
        raise ConfigError(
            "processes",
            f"{group.size} processes share a batch of {fewest} scans, and each needs 2 of them; set TRAINING_PROCESSES to "
            f"{max(1, fewest // 2)} or less, or choose a larger batch_size",
        )
