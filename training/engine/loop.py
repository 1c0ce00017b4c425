"""One epoch of a run: train, validate, and go back to the epoch before where a fault can be mended."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models_registry.inference.architectures import HEAD
from models_registry.inference.predictor import BATCH, predict_logits
from models_registry.statistics.calibration import nll, softmax
from models_registry.statistics.metrics import macro_auroc

from . import ranking
from .augment import augment
from .caching import cache_features, head_logits
from .data import Labels, balanced_order, batches, generator
from .device import out_of_memory
from .report import EpochReport
from .schedule import set_learning_rate
from .state import FROZEN, FROZEN_SWEEPS, FULL, Callbacks, Run, start_phase

FROZEN_LR_FACTOR = 5.0
MAX_GRADIENT_NORM = 2.0
AUGMENT_PURPOSE = 2
# Validation scans between two looks whether to stop; a multiple of the predictor's batch, so that it changes no number.
VAL_CHUNK = 256


class _NotFinite(Exception):
    """The loss or the weights are not finite; the message says where."""


class _Stopped(Exception):
    """``should_stop`` said so in the middle of an epoch."""


class _Steps:
    """What the steps of an epoch have added up to: the sum of the losses, and the seconds that went into inputs."""

    def __init__(self) -> None:
        self.loss: Tensor | float = 0.0
        self.count = 0
        self.input_s = 0.0
        self._began = time.perf_counter()

    @property
    def input_share(self) -> float:
        return self.input_s / max(time.perf_counter() - self._began, 1e-9)


def run_epoch(run: Run, epoch: int, calls: Callbacks) -> EpochReport | None:
    """Train and validate one epoch (counted from 0); None when it was stopped half-way.

    After a loss that is not finite, or when memory runs out, the epoch begins again from where the one before ended: with
    half the learning rate, or with half as many scans at a time. Raises ``TrainingDiverged`` or ``OutOfMemory`` when that
    has been tried often enough.
    """
    began = time.monotonic()
    if run.good is None:
        run.keep()
    while True:
        try:
            report = _attempt(run, epoch, calls, began)
            run.keep()
        except _Stopped:
            return None
        except _NotFinite as fault:
            mend = partial(run.back_off, str(fault))
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            mend = partial(run.shrink)
        else:
            return report
        # Only here: what the failed step held hangs on the error, and is free once that is gone.
        mend()


def _attempt(run: Run, epoch: int, calls: Callbacks, began: float) -> EpochReport:
    phase = run.phase_of(epoch)
    if phase != run.phase or run.pending_optimiser:
        start_phase(run, phase)
    if phase == FROZEN and run.cached is None:
        run.cached = cache_features(run, calls)
        if run.cached is None:
            raise _Stopped
    steps = _train(run, epoch, calls)
    logits = _validation_logits(run, calls)
    if not np.isfinite(logits).all():
        raise _NotFinite(f"the weights are not finite after epoch {epoch + 1}")
    run.epoch = epoch + 1
    report = _judged(run, steps, logits, time.monotonic() - began)
    run.notes = []
    return _remembered(run, report)


def _remembered(run: Run, report: EpochReport) -> EpochReport:
    """Add the epoch to the history; that which exhausts the patience says so."""
    run.history.append(report)
    before = run.last_epoch
    run.lose_patience()
    if run.last_epoch == before:
        return report
    left = run.last_epoch - run.epoch
    tired = f"no gain in validation AUROC for {run.config.patience} epochs: the run ends after {left} more"
    run.history[-1] = replace(report, note="; ".join(filter(None, [report.note, tired])))
    return run.history[-1]


def _train(run: Run, epoch: int, calls: Callbacks) -> _Steps:
    plan = _plan(run, epoch)
    noise = generator(run.config.seed, epoch, AUGMENT_PURPOSE, run.device.name)
    total = run.total_steps()
    rate = run.rates(total, run.learning_rate * (FROZEN_LR_FACTOR if run.phase == FROZEN else 1.0))
    steps = _Steps()
    n, val = len(run.data.train_labels), len(run.data.val_labels)
    # The part of an epoch that is training; the rest of it is validation.
    training = 1.0 if run.phase == FROZEN else 3 * n / (3 * n + val)
    for done, index in enumerate(plan, start=1):
        if calls.should_stop():
            raise _Stopped
        run.open_up(total)
        set_learning_rate(run.optimiser, rate(run.step))
        _step(run, index, noise, steps)
        if (done % run.device.looks_every == 0 or done == len(plan)) and not math.isfinite(float(steps.loss)):
            raise _NotFinite(f"the loss is not finite in epoch {epoch + 1}, step {done}")
        calls.on_progress(run.share(epoch + training * done / len(plan)), f"epoch {epoch + 1} of {run.last_epoch}")
    return steps


def _plan(run: Run, epoch: int) -> list[Labels]:
    """The batches of one epoch."""
    sweeps = FROZEN_SWEEPS if run.phase == FROZEN else 1
    labels, k, seed = run.data.train_labels, run.data.n_classes, run.config.seed
    orders = (balanced_order(labels, k, seed, epoch * sweeps + sweep) for sweep in range(sweeps))
    return [batch for order in orders for batch in batches(order, run.config.batch_size)]


def _inputs(run: Run, index: Labels, noise: torch.Generator, steps: _Steps) -> Tensor:
    """What the network, or in the frozen phase its head, is given for a batch."""
    began = time.perf_counter()
    if run.cached is not None:
        return run.cached.train[torch.from_numpy(index)]
    unit = run.inputs.batch(index)
    steps.input_s += time.perf_counter() - began
    return augment(unit, run.config.augment, noise, allow_flips=run.config.allow_flips)


def _loss(run: Run, x: Tensor, target: Tensor) -> Tensor:
    """The mean loss of a batch, or of a part of one."""
    if run.cached is not None:
        head: nn.Module = getattr(run.network, HEAD)
        logits: Tensor = head(x)
    else:
        with run.device.autocast():
            logits = run.forward_of(x)(run.device.place(run.preprocess.normalise(x)))
    return functional.cross_entropy(logits.float(), target, label_smoothing=run.config.label_smoothing)


def _step(run: Run, index: Labels, noise: torch.Generator, steps: _Steps) -> None:
    x = _inputs(run, index, noise, steps)
    target = run.targets[torch.from_numpy(index).to(run.device.name)]
    run.optimiser.zero_grad(set_to_none=True)
    # After memory has run out, in parts whose gradients add up to the batch's; only batch normalisation sees the parts.
    parts = max(1, min(-(-len(x) // run.micro), len(x) // 2)) if run.micro else 1
    for some, wanted in zip(x.tensor_split(parts), target.tensor_split(parts), strict=True):
        loss = _loss(run, some, wanted) * (len(some) / len(x))
        run.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        steps.loss = steps.loss + loss.detach()
    run.scaler.unscale_(run.optimiser)
    nn.utils.clip_grad_norm_(run.trainable, MAX_GRADIENT_NORM, foreach=True)
    run.scaler.step(run.optimiser)
    run.scaler.update()
    run.average.update(run.step)
    run.step += 1
    steps.count += 1


def validate(run: Run, state: Mapping[str, Tensor], calls: Callbacks) -> npt.NDArray[np.float32] | None:
    """Validation logits (N_val, K) of ``state``, through the code that will serve the model; None when it was stopped."""
    run.judge.load_state_dict(dict(state), strict=True)
    rows = [run.no_logits()]
    for start in range(0, len(run.data.val_tiles), VAL_CHUNK):
        if calls.should_stop():
            return None
        tiles = run.data.val_tiles[start : start + VAL_CHUNK]
        rows.append(
            predict_logits(
                run.judge,
                run.preprocess,
                tiles,
                flip_tta=run.config.flip_tta,
                device=run.device.name,
                batch=min(BATCH, run.micro or BATCH),
            )
        )
    return np.concatenate(rows)


def _validation_logits(run: Run, calls: Callbacks) -> npt.NDArray[np.float32]:
    if run.cached is not None:
        return head_logits(run.cached, run.average.state)
    logits = validate(run, run.average.state, calls)
    if logits is None:
        raise _Stopped
    return logits


def _judged(run: Run, steps: _Steps, logits: npt.NDArray[np.float32], seconds: float) -> EpochReport:
    """The report of the epoch that has just ended; its weights are kept when it leads."""
    y, shares = run.data.val_labels, softmax(logits)
    guess = logits.argmax(axis=1)
    auroc, error = macro_auroc(y, shares), ranking.auroc_error(y, shares)
    low, high = ranking.interval(auroc, error)
    report = EpochReport(
        epoch=run.epoch,
        epochs=run.config.epochs,
        phase=run.phase,
        train_loss=float(steps.loss) / steps.count,
        val_loss=nll(logits, y),
        val_auroc=auroc,
        val_accuracy=float((guess == y).mean()),
        val_balanced_accuracy=float(np.mean([float((guess[y == k] == k).mean()) for k in np.unique(y)])),
        learning_rate=max(float(group["lr"]) for group in run.optimiser.param_groups),
        seconds=seconds,
        val_auroc_error=error,
        val_auroc_low=low,
        val_auroc_high=high,
        input_share=steps.input_share,
        note="; ".join(run.notes),
    )
    best = run.history[run.best_epoch - 1] if run.best_epoch else None
    if ranking.leads(report, best, run.history):
        run.best = run.copy_of(run.average.state, run.good.average if run.good else None)
        run.best_epoch = run.epoch
    return report


__all__ = ["FROZEN", "FULL", "Callbacks", "Run", "run_epoch", "validate"]
