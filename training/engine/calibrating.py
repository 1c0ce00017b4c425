"""Which scans calibrate a model: a patient-wise part of validation that chose nothing, or all of it where scans are scarce."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models_registry.inference.architectures import Network, restored
from models_registry.inference.bundle import split_members
from models_registry.inference.frames import of_each_scan

from .answering import logits_of
from .config import TrainConfig
from .data import Labels
from .framing import Scans, pictures_of
from .grouping import group_parts
from .pictures import Pictures, chosen
from .report import FitResult

HELD_OUT: Final = "held out"
CROSS_FITTED: Final = "validation, cross-fitted"
OUT_OF_FOLD: Final = "out of fold"
ORIGINS: Final = (HELD_OUT, CROSS_FITTED, OUT_OF_FOLD)

# What each half of validation must still hold. With 20 scans of a class the standard error of an AUROC of 0.9 is about
# 0.05 (Hanley and McNeil, 1982), so the best epoch can still be told from a bad one, and the measured coverage of a
# 90 % threshold varies by 0.06 (a Beta distribution; Vovk, 2012). With fewer, halving costs more than it makes honest.
MIN_SCANS: Final = 60
MIN_PER_CLASS: Final = 20


@dataclass(frozen=True)
class CalibrationScans:
    """Raw logits (N, K) of scans whose labels the network was not trained on, labels int64 (N,) and the group of each.

    `origin` is "held out" (a part of validation that chose nothing), "validation, cross-fitted" (the scans that also
    chose the epoch; figures about calibration come from folds) or "out of fold" (each scan by networks that did not
    train on its group). `networks`: of how many networks the logits are the mean.
    """

    logits: npt.NDArray[np.float64]
    labels: Labels
    groups: tuple[str, ...]
    origin: str
    networks: int = 1

    def __post_init__(self) -> None:
        if self.origin not in ORIGINS:
            raise ValueError(f"origin must be one of {', '.join(ORIGINS)}, got {self.origin!r}")
        if not len(self.logits) == len(self.labels) == len(self.groups):
            raise ValueError(f"{len(self.logits)} logits, {len(self.labels)} labels and {len(self.groups)} groups")

    @property
    def n_groups(self) -> int:
        return len(set(self.groups))


@dataclass(frozen=True)
class Division:
    """Positions of the validation scans that choose the epoch and of those that calibrate; the same ones when scarce."""

    selection: Labels
    calibration: Labels
    held_out: bool


def divide(labels: Labels, groups: Sequence[str], n_classes: int, key: str, *, hold_out: bool = True) -> Division:
    """Part validation by group, alike in every class, where both halves stay large enough; `key` is the data set's hash.
    Without `hold_out` it stays one, as where the network to continue from may have chosen its epoch on any of it."""
    part = group_parts(labels, groups, 2, key)
    halves = [np.flatnonzero(part == side) for side in (0, 1)]
    if hold_out and all(_large_enough(labels[half], n_classes) for half in halves):
        return Division(halves[0], halves[1], held_out=True)
    everything = np.arange(len(labels))
    return Division(everything, everything, held_out=False)


def _large_enough(labels: Labels, n_classes: int) -> bool:
    return len(labels) >= MIN_SCANS and int(np.bincount(labels, minlength=n_classes).min()) >= MIN_PER_CLASS


def scans_of(
    division: Division,
    result: FitResult,
    config: TrainConfig,
    tiles: Pictures,
    labels: Labels,
    groups: Sequence[str],
    scans: Scans = None,
) -> CalibrationScans:
    """The calibration scans of a finished run; `tiles`, `labels` and `groups` are those of all of validation, and so are `scans`,
    where several pictures show one; the division, labels and groups are of scans."""
    apart = division.calibration
    if division.held_out:
        shown = pictures_of(scans, apart)
        held = chosen(tiles, shown)
        logits = logits_of(_networks(result, config), result.preprocess, held, poses=config.poses)
        if scans is not None:
            logits = of_each_scan(logits, scans[shown])
    else:
        logits = result.val_logits
    return CalibrationScans(
        logits=np.asarray(logits, dtype=np.float64),
        labels=labels[apart],
        groups=tuple(groups[index] for index in apart),
        origin=HELD_OUT if division.held_out else CROSS_FITTED,
        networks=result.members,
    )


def out_of_fold_scans(
    logits: npt.NDArray[np.float64], result: FitResult, labels: Labels, groups: Sequence[str]
) -> CalibrationScans:
    """All training and validation scans, scored as `result` would score them: by the mean of as many networks of their fold
    as `result` has. Logits (members, N, K)."""
    mean = logits[: result.members].mean(axis=0)
    return CalibrationScans(mean, labels, tuple(groups), OUT_OF_FOLD, networks=result.members)


def _networks(result: FitResult, config: TrainConfig) -> list[Network]:
    n_classes, channels = result.val_logits.shape[1], result.preprocess.channels
    states = split_members(result.state_dict, result.members)
    return [restored(config.architecture, n_classes, state, channels) for state in states]
