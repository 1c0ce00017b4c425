"""What a training run tells while it runs and when it ends."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from models_registry.inference.preprocess import Preprocess


class TrainingDiverged(RuntimeError):
    """The loss or the weights stopped being finite; the message says when and what to change."""


class OutOfMemory(RuntimeError):
    """There is not enough memory even for the smallest batches; the message says what to change."""


@dataclass(frozen=True)
class EpochReport:
    """One epoch, counted from 1; `phase` is "frozen" (head only) or "full"; `val_auroc` is None when a class is missing.

    `val_auroc_error` is its standard error, `val_auroc_low` and `val_auroc_high` the 95 % interval; None where too
    few scans, or a perfect separation, leave none. `val_auroc_one`: what one scan can move it by. `input_share`: the share of
    training time spent waiting for inputs.
    `note`: what a reader must know of this epoch (begun again, smaller batches, no gain any more), else empty.
    """

    epoch: int
    epochs: int
    phase: str
    train_loss: float
    val_loss: float
    val_auroc: float | None
    val_accuracy: float
    val_balanced_accuracy: float
    learning_rate: float
    seconds: float
    val_auroc_error: float | None = None
    val_auroc_low: float | None = None
    val_auroc_high: float | None = None
    input_share: float = 0.0
    note: str = ""
    val_auroc_one: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class FitResult:
    """The chosen weights and their raw validation logits (N_val, K), in the order of the validation tiles.

    `members`: networks in `state_dict`; several are named as `bundle.join_members` names them.
    `stopped` means that `should_stop` ended the run; without one complete epoch `best_epoch` is then 0 and
    `state_dict` empty.
    """

    state_dict: dict[str, Tensor]
    history: tuple[EpochReport, ...]
    best_epoch: int
    val_logits: npt.NDArray[np.float32]
    preprocess: Preprocess
    stopped: bool
    seconds: float
    members: int = 1
