"""Cross-validation by patient: every scan gets logits from networks that never saw it, nor anything of its patient.

Each fold has as many networks as the run, so that what is calibrated out of fold is the mean that serves, and not one network,
which is more sure of itself than a mean. They follow the run's recipe. Their epoch is chosen on an inner part of their own
scans, split by patient as well: the held-out scans decide nothing. The networks themselves are not kept, because each has its
own normalisation and has learned from fewer scans than the run's networks.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from models_registry.inference.architectures import restored

from .answering import logits_of
from .config import ConfigError, TrainConfig
from .data import Labels, TrainData, epoch_seed
from .device import Device
from .framing import Scans, counted_through, renumbered
from .group import ALONE, Group
from .pictures import Chosen
from .report import FitResult
from .series import Leg

# One patient in this many of a fold's own chooses its epoch; fewer where a class has too few patients.
INNER_PARTS = 5
MEMBER_PURPOSE, FOLD_PURPOSE, INNER_PURPOSE = 10, 11, 12
Mask = npt.NDArray[np.bool_]


def least_groups(folds: int) -> int:
    """How many patients each class needs: one held out in every fold, and in each of the rest one to learn from and one to
    choose the epoch on."""
    return max(folds, 4)


def assign(labels: Labels, groups: Sequence[str], folds: int, seed: int) -> Labels:
    """The fold (N,) in 0..folds-1 of each scan, classes spread evenly where groups allow; the same for the same input.

    `groups` (N,): scans of one group (a patient) stand in one fold. `ConfigError` when a class has too few groups.
    """
    names = np.asarray(groups)
    counts = {int(k): len(set(names[labels == k].tolist())) for k in np.unique(labels)}
    scarce = min(counts, key=lambda k: counts[k])
    if counts[scarce] < least_groups(folds):
        raise ConfigError(
            "folds",
            f"class {scarce} has scans of {counts[scarce]} patients, {folds} folds need {least_groups(folds)} in each "
            "class; choose fewer folds, or 0 for none",
        )
    return _parts(labels, names, folds, epoch_seed(seed, 0, FOLD_PURPOSE))


def _parts(labels: Labels, names: npt.NDArray[np.str_], parts: int, seed: int) -> Labels:
    splitter = StratifiedGroupKFold(n_splits=parts, shuffle=True, random_state=seed % 2**32)
    fold_of = np.zeros(len(labels), dtype=np.int64)
    with warnings.catch_warnings():
        # It counts scans where patients decide; both were counted before.
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, chosen) in enumerate(splitter.split(np.zeros(len(labels)), labels, names)):
            fold_of[chosen] = number
    return fold_of


def inner(labels: Labels, groups: Sequence[str], seed: int) -> Mask:
    """Which of a fold's own scans (N,) choose its epoch: about a fifth, by group."""
    names = np.asarray(groups)
    fewest = min(len(set(names[labels == k].tolist())) for k in np.unique(labels))
    parts = _parts(labels, names, max(2, min(INNER_PARTS, fewest)), epoch_seed(seed, 0, INNER_PURPOSE))
    return np.asarray(parts == 0, dtype=np.bool_)


def all_labels(data: TrainData) -> Labels:
    """The labels of training and validation scans, in this order: the order of everything out of fold."""
    return np.concatenate([data.train_labels, data.val_labels])


def all_scans(data: TrainData) -> Scans:
    """The scans that training and validation pictures show, in this order; None where each picture is a scan."""
    if data.train_scans is None or data.val_scans is None:
        return None
    return counted_through(data.train_scans, data.val_scans)


def take(data: TrainData, index: Labels) -> Chosen:
    """Tiles of training and validation scans, counted through, without a copy of them."""
    return Chosen([data.train_tiles, data.val_tiles], np.sort(index))


def legs(
    data: TrainData,
    config: TrainConfig,
    groups: Sequence[str],
    device: str | None = None,
    processes: Group = ALONE,
) -> list[Leg]:
    """The trainings of a cross-validation, fold by fold; what is kept of each is the logits of its held-out scans, in rising
    order.

    `groups` (N,): the patient of each training, then of each validation scan. `device`: where held-out scans are
    scored, None for the best of this machine; `processes`: who shares that. `ConfigError` when the groups do not suffice.
    """
    labels, names = all_labels(data), np.asarray(groups)
    if len(names) != len(labels):
        raise ConfigError("folds", f"{len(names)} groups for {len(labels)} scans")
    fold_of = assign(labels, groups, config.folds, config.seed)
    common = data, config, labels, names, fold_of
    place = Device.of(device).name
    return [leg for fold in range(config.folds) for leg in _legs(*common, fold, place, processes)]


def member_seed(seed: int, index: int) -> int:
    """The seed of each of several networks: the given one for the first, so that it is the network of a run without others."""
    return seed if index == 0 else epoch_seed(seed, index, MEMBER_PURPOSE) % 2**31


def _legs(
    data: TrainData,
    config: TrainConfig,
    labels: Labels,
    names: npt.NDArray[np.str_],
    fold_of: Labels,
    fold: int,
    device: str,
    processes: Group,
) -> list[Leg]:
    held, own = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
    seed = epoch_seed(config.seed, fold + 1, FOLD_PURPOSE) % 2**31
    choosing = inner(labels[own], names[own].tolist(), seed)
    learning, judging = own[~choosing], own[choosing]
    missing = sorted(set(range(data.n_classes)) - set(labels[learning].tolist()))
    if missing:
        raise ConfigError(
            "folds",
            f"fold {fold + 1} leaves class {missing[0]} no scan to learn from; choose fewer folds, or 0 for none",
        )

    scans = all_scans(data)

    def part() -> TrainData:
        shown = (None, None) if scans is None else (renumbered(scans[learning]), renumbered(scans[judging]))
        sides = take(data, learning), labels[learning], take(data, judging), labels[judging]
        return TrainData(*sides, data.n_classes, *shown)

    def kept(result: FitResult) -> FitResult:
        network = restored(config.architecture, data.n_classes, result.state_dict, result.preprocess.channels)
        networks = [network.to(device)]
        shown, poses = take(data, held), config.poses
        logits = logits_of(networks, result.preprocess, shown, poses=poses, device=device, group=processes)
        return replace(result, state_dict={}, val_logits=logits)

    def leg(member: int) -> Leg:
        name = f"fold {fold + 1}" if config.members == 1 else f"fold {fold + 1}.{member + 1}"
        alone = replace(config, seed=member_seed(seed, member), folds=0, members=1)
        return Leg(name, part, alone, cost=float(len(learning) * config.epochs), kept=kept)

    return [leg(member) for member in range(config.members)]


def out_of_fold(
    data: TrainData, config: TrainConfig, groups: Sequence[str], kept: Sequence[FitResult]
) -> npt.NDArray[np.float64]:
    """Logits (members, N, K) of training, then validation scans, put together from what each network of a fold kept of its
    held-out scans: first those of the first network of every fold."""
    labels = all_labels(data)
    fold_of = assign(labels, groups, config.folds, config.seed)
    logits = np.empty((config.members, len(labels), data.n_classes), dtype=np.float64)
    for index, result in enumerate(kept):
        fold, member = divmod(index, config.members)
        logits[member, fold_of == fold] = result.val_logits
    return logits
