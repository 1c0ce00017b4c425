"""One epoch of a run: train, validate, and go back to the epoch before where a fault can be mended."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models_registry.inference.architectures import HEAD
from models_registry.inference.predictor import predict_logits
from models_registry.inference.runtimes import BATCH
from models_registry.statistics.calibration import nll, softmax
from models_registry.statistics.metrics import macro_auroc

from . import ranking
from .augment import Changes, augment, mixed
from .caching import cache_features, head_logits
from .data import Labels, batches, epoch_order, epoch_seed, generator
from .device import out_of_memory
from .pictures import chosen, in_turn
from .report import EpochReport
from .schedule import set_learning_rate
from .setting import FROZEN, FROZEN_SWEEPS, FULL
from .sharing import MemoryShort, Stopped, gradients, rows
from .state import Callbacks, State, start_phase

FROZEN_LR_FACTOR = 5.0
MAX_GRADIENT_NORM = 2.0
# Of the random numbers, beside those of `selfsupervised` and of frames.
AUGMENT_PURPOSE, MIXUP_PURPOSE = 2, 21


class _NotFinite(Exception):
    """The loss or the weights are not finite; the message says where."""


class _Steps:
    """What the steps of an epoch have added up to: the sum of the losses, and the seconds that went into inputs. `blends`: the
    random numbers of mixup, which no other step of theirs may disturb."""

    def __init__(self, blends: np.random.Generator) -> None:
        self.blends = blends
        self.loss: Tensor | float = 0.0
        self.count = 0
        self.input_s = 0.0
        self._began = time.perf_counter()

    @property
    def input_share(self) -> float:
        return self.input_s / max(time.perf_counter() - self._began, 1e-9)


def run_epoch(state: State, epoch: int, calls: Callbacks) -> EpochReport | None:
    """Train and validate one epoch (counted from 0); None when it was stopped half-way.

    After a loss that is not finite, or when memory runs out, the epoch begins again from where the one before ended: with
    half the learning rate, or with half as many scans at a time. Raises `TrainingDiverged` or `OutOfMemory` when that
    has been tried often enough.
    """
    began = time.monotonic()
    if state.good is None:
        state.keep()
    while True:
        try:
            report = _attempt(state, epoch, calls, began)
            state.keep()
        except Stopped:
            return None
        except _NotFinite as fault:
            mend = partial(state.back_off, str(fault))
        except (MemoryError, RuntimeError) as error:
            # Among several processes only what all of them know can be mended: one by itself would leave the others waiting.
            if not out_of_memory(error) or not (state.setting.group.alone or isinstance(error, MemoryShort)):
                raise
            mend = partial(state.shrink)
        else:
            return report
        # Only here: what the failed step held hangs on the error, and is free once that is gone.
        mend()


def _attempt(state: State, epoch: int, calls: Callbacks, began: float) -> EpochReport:
    phase = state.setting.phase_of(epoch)
    if phase != state.phase or state.pending_optimiser:
        start_phase(state, phase)
    if phase == FROZEN and state.cached is None:
        state.cached = cache_features(state, calls)
        if state.cached is None:
            raise Stopped
    steps = _take_steps(state, epoch, calls)
    state.follow()
    logits = _validation_logits(state, calls)
    if not np.isfinite(logits).all():
        raise _NotFinite(f"the weights are not finite after epoch {epoch + 1}")
    state.epoch = epoch + 1
    report = _judged(state, steps, logits, time.monotonic() - began)
    state.notes = []
    return _remembered(state, report)


def _remembered(state: State, report: EpochReport) -> EpochReport:
    """Add the epoch to the history; that which exhausts the patience says so."""
    state.history.append(report)
    before = state.last_epoch
    state.lose_patience()
    if state.last_epoch == before:
        return report
    left = state.last_epoch - state.epoch
    tired = f"no gain in validation AUROC for {state.setting.config.patience} epochs: the run ends after {left} more"
    state.history[-1] = replace(report, note="; ".join(filter(None, [report.note, tired])))
    return state.history[-1]


def _take_steps(state: State, epoch: int, calls: Callbacks) -> _Steps:
    setting = state.setting
    plan = _plan(state, epoch)
    noise = generator(setting.config.seed, epoch, AUGMENT_PURPOSE, setting.device.name, setting.group.rank)
    total = setting.steps_of(state.phase)
    rate = state.rates(total, state.learning_rate * (FROZEN_LR_FACTOR if state.phase == FROZEN else 1.0))
    steps = _Steps(np.random.default_rng(epoch_seed(setting.config.seed, epoch, MIXUP_PURPOSE, setting.group.rank)))
    n, val = len(setting.data.train_labels), len(setting.data.val_labels)
    # The part of an epoch that is training; the rest of it is validation.
    training = 1.0 if state.phase == FROZEN else 3 * n / (3 * n + val)
    shards = [setting.group.shard(batch) for batch in plan]
    with closing(setting.inputs.through(shards if state.cached is None else [])) as given:
        for done, batch in enumerate(plan, start=1):
            stop = calls.should_stop()
            state.open_up(total)
            set_learning_rate(state.optimiser, rate(state.step))
            _step(state, batch, given, noise, steps, stop=stop)
            if (done % setting.device.looks_every == 0 or done == len(plan)) and not math.isfinite(float(steps.loss)):
                raise _NotFinite(f"the loss is not finite in epoch {epoch + 1}, step {done}")
            part = state.share(epoch + training * done / len(plan))
            calls.on_progress(part, f"epoch {epoch + 1} of {state.last_epoch}")
    return steps


def _plan(state: State, epoch: int) -> list[Labels]:
    """The batches of one epoch."""
    setting = state.setting
    sweeps = FROZEN_SWEEPS if state.phase == FROZEN else 1
    orders = (epoch_order(setting.data, setting.config.seed, epoch * sweeps + sweep) for sweep in range(sweeps))
    return [batch for order in orders for batch in batches(order, setting.config.batch_size)]


def _inputs(state: State, index: Labels, given: Iterator[Tensor], noise: torch.Generator, steps: _Steps) -> Tensor:
    """What the network, or in the frozen phase its head, is given for a batch. `given`: the inputs of the epoch's batches."""
    setting = state.setting
    began = time.perf_counter()
    if state.cached is not None:
        return state.cached.train[torch.from_numpy(index)]
    unit = next(given)
    steps.input_s += time.perf_counter() - began
    return augment(unit, Changes.of(setting.config), noise)


def _loss(state: State, x: Tensor, target: Tensor) -> Tensor:
    """The mean loss of a batch, or of a part of one. `target`: classes (N,), or shares of them (N, K)."""
    setting = state.setting
    if state.cached is not None:
        head: nn.Module = getattr(state.network, HEAD)
        logits: Tensor = head(x)
    else:
        with setting.device.autocast():
            logits = state.forward_of(x)(setting.device.place(setting.preprocess.normalise(x)))
    return functional.cross_entropy(logits.float(), target, label_smoothing=setting.config.label_smoothing)


def _backward(state: State, batch: Labels, given: Iterator[Tensor], noise: torch.Generator, steps: _Steps) -> Tensor:
    """Add the gradients of a batch, or of this process's shard of it; its part of the mean loss, (1,)."""
    index = state.setting.group.shard(batch)
    x = _inputs(state, index, given, noise, steps)
    target = state.setting.targets[torch.from_numpy(index).to(state.setting.device.name)]
    if state.setting.config.mixup and state.cached is None:
        x, target = mixed(x, target, state.setting.data.n_classes, state.setting.config.mixup, steps.blends)
    # After memory has run out, in parts whose gradients add up to the batch's; only batch normalisation sees the parts.
    parts = max(1, min(-(-len(x) // state.micro), len(x) // 2)) if state.micro else 1
    total = torch.zeros(1, device=state.setting.device.name)
    for some, wanted in zip(x.tensor_split(parts), target.tensor_split(parts), strict=True):
        loss = _loss(state, some, wanted) * (len(some) / len(batch))
        state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    return total


def _step(
    state: State, batch: Labels, given: Iterator[Tensor], noise: torch.Generator, steps: _Steps, *, stop: bool
) -> None:
    state.optimiser.zero_grad(set_to_none=True)
    group = state.setting.group
    share = len(group.shard(batch)) / len(batch)
    work = partial(_backward, state, batch, given, noise, steps)
    loss = gradients(group, work, 1, state.trainable, state.statistics, share, stop=stop)
    steps.loss = steps.loss + loss[0]
    state.scaler.unscale_(state.optimiser)
    nn.utils.clip_grad_norm_(state.trainable, MAX_GRADIENT_NORM, foreach=True)
    state.scaler.step(state.optimiser)
    state.scaler.update()
    state.average.update(state.step)
    state.step += 1
    steps.count += 1


def validate(state: State, weights: Mapping[str, Tensor], calls: Callbacks) -> npt.NDArray[np.float32] | None:
    """Logits of the validation scans (N_val, K) of these weights, through the code that will serve the model; None when it was
    stopped."""
    setting = state.setting
    state.judge.load_state_dict(dict(weights), strict=True)
    made = rows(setting.group, len(setting.data.val_tiles), BATCH, setting.data.n_classes, partial(_said, state, calls))
    return None if made is None else setting.of_scans(made.numpy())


def _said(state: State, calls: Callbacks, span: slice) -> Tensor | None:
    """Logits of some of the validation pictures; None when it was stopped."""
    setting = state.setting
    said = [setting.no_logits()]
    # Between two parts it asks whether to stop; they are of whole batches of the predictor, so that this changes no number.
    with closing(in_turn(chosen(setting.data.val_tiles, span), BATCH)) as parts:
        for tiles in parts:
            if calls.should_stop():
                return None
            said.append(
                predict_logits(
                    state.judge,
                    setting.preprocess,
                    tiles,
                    poses=setting.config.poses,
                    device=setting.device.name,
                    batch=min(BATCH, state.micro or BATCH),
                )
            )
    return torch.from_numpy(np.concatenate(said))


def _validation_logits(state: State, calls: Callbacks) -> npt.NDArray[np.float32]:
    if state.cached is not None:
        return state.setting.of_scans(head_logits(state.cached, state.average.state))
    logits = validate(state, state.average.state, calls)
    if logits is None:
        raise Stopped
    return logits


def _judged(state: State, steps: _Steps, logits: npt.NDArray[np.float32], seconds: float) -> EpochReport:
    """The report of the epoch that has just ended; its weights are kept when it leads."""
    y, shares = state.setting.data.judged_labels, softmax(logits)
    guess = logits.argmax(axis=1)
    auroc, error = macro_auroc(y, shares), ranking.auroc_error(y, shares)
    low, high = ranking.interval(auroc, error)
    report = EpochReport(
        epoch=state.epoch,
        epochs=state.setting.config.epochs,
        phase=state.phase,
        train_loss=float(steps.loss) / steps.count,
        val_loss=nll(logits, y),
        val_auroc=auroc,
        val_accuracy=float((guess == y).mean()),
        val_balanced_accuracy=float(np.mean([float((guess[y == k] == k).mean()) for k in np.unique(y)])),
        learning_rate=max(float(group["lr"]) for group in state.optimiser.param_groups),
        seconds=seconds,
        val_auroc_error=error,
        val_auroc_low=low,
        val_auroc_high=high,
        input_share=steps.input_share,
        note="; ".join(state.notes),
        val_auroc_one=ranking.one_scan(y, state.setting.data.n_classes),
    )
    # One clock, and one processor's rounding, decide for all processes which epoch leads and when patience ends.
    report = EpochReport(**state.setting.group.told(lambda: asdict(report)))
    best = state.history[state.best_epoch - 1] if state.best_epoch else None
    if ranking.leads(report, best, state.history):
        state.best = state.copy_of(state.average.state, state.good.average if state.good else None)
        state.best_epoch = state.epoch
    return report


__all__ = ["FROZEN", "FULL", "Callbacks", "State", "run_epoch", "validate"]
