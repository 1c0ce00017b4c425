"""The training loop: plain functions, callbacks instead of trackers inside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace

from torch import Tensor

from models_registry.inference.preprocess import Preprocess

from . import checkpoint as ck
from . import selfsupervised
from .config import ConfigError, TrainConfig
from .data import TrainData
from .device import Device, exact
from .group import ALONE, Group
from .loop import FROZEN, FULL, Callbacks, State, run_epoch, validate
from .pictures import Pictures, in_turn
from .report import EpochReport, FitResult
from .setting import Setting
from .setup import initial_network
from .weights import imagenet_levels

CHECKPOINT_INTERVAL_S = 15.0


def _nothing(*_: object) -> None:
    return None


def _never() -> bool:
    return False


def fit(
    data: TrainData,
    config: TrainConfig,
    *,
    on_progress: Callable[[float, str], None] = _nothing,
    on_epoch_end: Callable[[EpochReport], None] = _nothing,
    should_stop: Callable[[], bool] = _never,
    save_checkpoint: Callable[[bytes], None] | None = None,
    resume: bytes | None = None,
    initial_state: Mapping[str, Tensor] | None = None,
    initial_preprocess: Preprocess | None = None,
    unlabelled: Pictures | None = None,
    weights_dir: str | os.PathLike[str] | None = None,
    allow_download: bool = True,
    device: str | None = None,
    compiled: bool = False,
    checkpoint_interval_s: float = CHECKPOINT_INTERVAL_S,
    processes: Group = ALONE,
) -> FitResult:
    """Train and return the weights of the best epoch by validation AUROC and loss (`ranking.leads`).

    `should_stop` is asked at every step and must be cheap. `save_checkpoint` gets a checkpoint at epoch ends, at
    most every `checkpoint_interval_s` seconds; given back as `resume` with the same data and configuration the run
    goes on as if it had not been interrupted. `initial_state` continues from a version's weights instead of starting
    from scratch, and `initial_preprocess` from the grey levels that it knows as mean and standard deviation (give both again with
    `resume`). `unlabelled`: scans like those of training that `config.self_supervised` epochs learn from as well; a run that is
    interrupted meanwhile begins them again.

    On a CPU the same data, configuration and number of threads give the same weights to the bit. `compiled` has the
    whole network compiled where there is a GPU.

    Several processes, each of which calls this with the same arguments but for its callbacks and its part of `processes`,
    train one network together, and get the same result. A batch is as large as for one process. The same number of them
    gives the same weights.

    Raises `ConfigError`, `WeightsMissing`, `WeightsInvalid` or `CheckpointError` before, `TrainingDiverged` or
    `OutOfMemory` during training, `PeerLost` where another one of them has ended.
    """
    began = time.monotonic()
    place = Device.of(device, compiled=compiled)
    with exact(place):
        continued = initial_state is not None
        known = processes.told(lambda: _preprocess(data, config, initial_preprocess, continued=continued).to_dict())
        preprocess = Preprocess.from_dict(known)
        state = _prepare(
            data,
            config,
            preprocess,
            place,
            initial_state,
            resume,
            unlabelled,
            weights_dir=weights_dir,
            allow_download=allow_download,
            group=processes,
        )
        calls = Callbacks(on_progress, should_stop)
        if config.self_supervised:
            first = selfsupervised.share(state.setting, unlabelled)
            if resume is None and not _look_around(state, unlabelled, _part(calls, 0.0, first)):
                return _result(state, calls, began, stopped=True)
            calls = _part(calls, first, 1.0)
        stopped = not _run_epochs(state, calls, on_epoch_end, save_checkpoint, checkpoint_interval_s)
        return _result(state, calls, began, stopped=stopped)


def _part(calls: Callbacks, low: float, high: float) -> Callbacks:
    """Of a part of the run, whose own progress goes from 0 to 1."""
    return replace(calls, on_progress=lambda share, message: calls.on_progress(low + (high - low) * share, message))


def _look_around(state: State, unlabelled: Pictures | None, calls: Callbacks) -> bool:
    """The epochs without labels, which the first one with labels tells of; False when it was stopped."""
    learned = selfsupervised.learn(state.network, state.setting, unlabelled, calls)
    if learned is None:
        return False
    state.begin_from(state.network)
    state.notes.append(str(learned))
    return True


def _run_epochs(
    state: State,
    calls: Callbacks,
    on_epoch_end: Callable[[EpochReport], None],
    save_checkpoint: Callable[[bytes], None] | None,
    interval_s: float,
) -> bool:
    """All epochs that are left; False when `should_stop` ended them."""
    last_saved = time.monotonic()
    while state.epoch < state.last_epoch:
        report = run_epoch(state, state.epoch, calls)
        if report is None:
            return False
        ended = state.epoch == state.last_epoch
        on_epoch_end(report)
        calls.on_progress(1.0 if ended else state.share(state.epoch), f"epoch {state.epoch} of {state.last_epoch}")
        due = time.monotonic() - last_saved >= interval_s
        if save_checkpoint is not None and due and not ended:
            save_checkpoint(ck.to_bytes(state.checkpoint()))
            last_saved = time.monotonic()
    return True


def _prepare(
    data: TrainData,
    config: TrainConfig,
    preprocess: Preprocess,
    device: Device,
    initial_state: Mapping[str, Tensor] | None,
    resume: bytes | None,
    unlabelled: Pictures | None,
    *,
    weights_dir: str | os.PathLike[str] | None,
    allow_download: bool,
    group: Group,
) -> State:
    if config.self_supervised and initial_state is not None:
        raise ConfigError("self_supervised", "must be 0 for a run that continues from a version: it can see already")
    if resume is not None:
        # The checkpoint holds every weight: nothing pre-trained is needed to go on.
        network = initial_network(config.architecture, data.n_classes, config.seed, channels=preprocess.channels)
    else:
        network = initial_network(
            config.architecture,
            data.n_classes,
            config.seed,
            channels=preprocess.channels,
            initial_state=initial_state,
            pretrained=config.pretrained,
            weights_dir=weights_dir,
            allow_download=allow_download,
        )
    seen = selfsupervised.digest(unlabelled) if config.self_supervised else ""
    continued = initial_state is not None
    setting = Setting.of(data, config, preprocess, device, continued=continued, seen_without_labels=seen, group=group)
    state = State.before(setting, network)
    if resume is not None:
        state.good = ck.from_bytes(resume, state.setting.key)
        state.restore(state.good)
    return state


def _preprocess(data: TrainData, config: TrainConfig, known: Preprocess | None, *, continued: bool) -> Preprocess:
    """Weights that know something go on with the grey levels that they know: their deep stages learn late and slowly, and
    would see every scan shifted."""
    if known is not None:
        return replace(known, size=config.image_size)
    look = config.look
    if config.pretrained and not continued:
        return Preprocess(config.image_size, *imagenet_levels(look.channels), look.channels, look)
    with closing(in_turn(data.train_tiles)) as parts:
        return Preprocess.fitted_on(parts, config.image_size, look)


def _result(state: State, calls: Callbacks, began: float, *, stopped: bool) -> FitResult:
    best = state.best if state.best_epoch else {}
    logits = validate(state, best, calls) if best and not stopped else state.setting.no_logits()
    if logits is None:
        stopped, logits = True, state.setting.no_logits()
    return FitResult(
        state_dict={name: value.detach().cpu().contiguous() for name, value in best.items()},
        history=tuple(state.history),
        best_epoch=state.best_epoch,
        val_logits=logits,
        preprocess=state.setting.preprocess,
        stopped=stopped,
        seconds=time.monotonic() - began,
    )


__all__ = ["CHECKPOINT_INTERVAL_S", "FROZEN", "FULL", "ConfigError", "fit"]
