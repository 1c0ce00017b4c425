"""One run as a whole: its networks one after the other, then its folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from models_registry.inference.bundle import join_members

from . import checkpoint as ck
from . import folds as cross
from . import selfsupervised
from .config import TrainConfig
from .data import TrainData
from .group import ALONE, Group
from .report import FitResult
from .series import Leg, Watch, run_series


@dataclass(frozen=True)
class Trained:
    """The networks of a run in the order of their seeds, and the out-of-fold logits (members, N, K) of its training, then its
    validation scans, by each network of their fold (None without folds). When `stopped` there may be fewer networks, and no
    logits."""

    members: tuple[FitResult, ...]
    out_of_fold: npt.NDArray[np.float64] | None
    stopped: bool


def train(
    data: TrainData,
    config: TrainConfig,
    watch: Watch,
    *,
    groups: Sequence[str] = (),
    initial_states: Sequence[Mapping[str, Tensor]] = (),
    resume: bytes | None = None,
    device: str | None = None,
    processes: Group = ALONE,
    **options: Any,
) -> Trained:
    """Train `config.members` networks, then as many for each of `config.folds`.

    `groups` (N,): the patient of each training, then of each validation scan; needed for folds. `initial_states`:
    weights to continue from, taken in turn by the networks; no fold may, since they have learned from its held-out scans.
    `device`, `processes` and `options` go to `fit`. Raises what `fit` raises; `ConfigError` when the patients do not
    suffice for the folds.
    """
    legs = [_member(data, config, index, initial_states) for index in range(config.members)]
    if config.folds:
        legs += cross.legs(data, config, groups, device, processes)
    labels = cross.all_labels(data).tolist()
    scans = [shown.tolist()] if (shown := cross.all_scans(data)) is not None else []
    seen = selfsupervised.digest(options.get("unlabelled")) if config.self_supervised else ""
    also = [*scans, *filter(None, [seen]), *([] if processes.alone else [processes.size])]
    key = ck.run_key("series", config.identity(), labels, len(data.train_labels), list(groups), *also)
    done, stopped = run_series(legs, watch, key, resume, device=device, processes=processes, **options)
    members, parts = done[: config.members], done[config.members :]
    logits = cross.out_of_fold(data, config, groups, parts) if parts and not stopped else None
    return Trained(tuple(members), logits, stopped)


def _member(data: TrainData, config: TrainConfig, index: int, initial_states: Sequence[Mapping[str, Tensor]]) -> Leg:
    alone = replace(config, seed=cross.member_seed(config.seed, index), folds=0, members=1)
    start = initial_states[index % len(initial_states)] if initial_states else None
    cost = float(len(data.train_labels) * config.epochs)
    return Leg(f"member {index + 1}", lambda: data, alone, cost, initial_state=start)


def merged(members: Sequence[FitResult]) -> FitResult:
    """Several networks as one result: the mean of their validation logits, and weights as a bundle names them.

    Epochs count through all members; the best one is that of the first.
    """
    if len(members) == 1:
        return members[0]
    first = members[0]
    history = [report for member in members for report in member.history]
    logits = np.mean([member.val_logits for member in members], axis=0, dtype=np.float64)
    return replace(
        first,
        state_dict=join_members([member.state_dict for member in members]),
        history=tuple(replace(report, epoch=number) for number, report in enumerate(history, start=1)),
        val_logits=np.asarray(logits, dtype=np.float32),
        seconds=sum(member.seconds for member in members),
        members=len(members),
    )
