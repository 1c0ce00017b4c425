"""Several trainings one after the other as one run: one progress, consecutive epochs, one checkpoint, exact resume."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from models_registry.inference.preprocess import Preprocess

from .checkpoint import CheckpointError
from .config import TrainConfig
from .data import TrainData
from .fit import fit
from .report import EpochReport, FitResult

FORMAT_VERSION = 1
_KEY = "mediscan_series"
_CURRENT = "current"
_LOGITS = "val_logits"


def _as_it_is(result: FitResult) -> FitResult:
    return result


@dataclass(frozen=True)
class Leg:
    """One training of the series, named in messages and epochs. `cost` is its share of the progress, in any unit;
    `kept` makes of its result what the series, and its checkpoint, keep of it."""

    name: str
    data: Callable[[], TrainData]
    config: TrainConfig
    cost: float
    initial_state: Mapping[str, Tensor] | None = None
    kept: Callable[[FitResult], FitResult] = _as_it_is


@dataclass(frozen=True)
class Watch:
    """The callbacks of `fit`."""

    on_progress: Callable[[float, str], None]
    on_epoch_end: Callable[[EpochReport], None]
    should_stop: Callable[[], bool]
    save_checkpoint: Callable[[bytes], None] | None = None


def run_series(
    legs: Sequence[Leg], watch: Watch, key: str, resume: bytes | None = None, **options: Any
) -> tuple[list[FitResult], bool]:
    """Train every leg: what is kept of each in order, and whether `should_stop` ended the series.

    `key` names the run that a checkpoint belongs to; `options` go to `fit`. A checkpoint given back as `resume`
    repeats no finished leg and continues the one that was cut off as if it had not been. A series of one leg is that
    `fit`, its checkpoints included. Raises what `fit` raises.
    """
    alone = len(legs) == 1
    done, current = ([], resume) if alone or resume is None else from_bytes(resume, key)
    for index in range(len(done), len(legs)):
        leg = legs[index]
        heard = watch if alone else _shifted(watch, legs, done, key)
        result = fit(
            leg.data(), leg.config, initial_state=leg.initial_state, resume=current, **_callbacks(heard), **options
        )
        if result.stopped:
            return done, True
        done, current = [*done, leg.kept(result)], None
        if watch.save_checkpoint is not None and index + 1 < len(legs):
            watch.save_checkpoint(to_bytes(done, None, key))
    return done, False


def _callbacks(watch: Watch) -> dict[str, Any]:
    return {field.name: getattr(watch, field.name) for field in fields(watch)}


def _shifted(watch: Watch, legs: Sequence[Leg], done: Sequence[FitResult], key: str) -> Watch:
    """The callbacks for the leg after `done`: its share of the progress, its name, and epochs that go on counting."""
    leg, total = legs[len(done)], sum(leg.cost for leg in legs)
    before, offset = sum(leg.cost for leg in legs[: len(done)]), sum(len(result.history) for result in done)
    epochs = sum(leg.config.epochs for leg in legs)

    def progress(fraction: float, message: str) -> None:
        watch.on_progress((before + fraction * leg.cost) / total, f"{leg.name}: {message}")

    def epoch(report: EpochReport) -> None:
        shown = replace(report, epoch=offset + report.epoch, epochs=epochs, phase=f"{leg.name} {report.phase}")
        watch.on_epoch_end(shown)

    save_whole = watch.save_checkpoint

    def checkpoint(current: bytes) -> None:
        if save_whole is not None:
            save_whole(to_bytes(done, current, key))

    return Watch(progress, epoch, watch.should_stop, checkpoint if save_whole else None)


def to_bytes(done: Sequence[FitResult], current: bytes | None, key: str) -> bytes:
    """What finished legs left, and the checkpoint of the one that is under way, as one safetensors file."""
    tensors = {
        f"{index}:{name}": value.detach().cpu().contiguous().clone()
        for index, result in enumerate(done)
        for name, value in {_LOGITS: torch.from_numpy(result.val_logits), **_prefixed(result.state_dict)}.items()
    }
    if current is not None:
        tensors[_CURRENT] = torch.frombuffer(bytearray(current), dtype=torch.uint8)
    note = {"format_version": FORMAT_VERSION, "key": key, "done": [_note(result) for result in done]}
    return bytes(save(tensors, metadata={_KEY: json.dumps(note)}))


def _prefixed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"state/{name}": value for name, value in state.items()}


def _note(result: FitResult) -> dict[str, Any]:
    """All of a result but its arrays."""
    plain = {f.name: getattr(result, f.name) for f in fields(result) if f.name not in ("state_dict", _LOGITS)}
    history = [asdict(report) for report in result.history]
    return {**plain, "history": history, "preprocess": result.preprocess.to_dict()}


def from_bytes(data: bytes, key: str) -> tuple[list[FitResult], bytes | None]:
    """Inverse of `to_bytes`; `CheckpointError` when damaged or made by another run."""
    try:
        length = int.from_bytes(data[:8], "little")
        note = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
        tensors = load(data)
        same = (note["format_version"], note["key"]) == (FORMAT_VERSION, key)
        done = [_result(entry, index, tensors) for index, entry in enumerate(note["done"])] if same else []
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"the checkpoint cannot be read ({type(error).__name__}); start the run again") from error
    if not same:
        raise CheckpointError("the checkpoint belongs to another run, data set or configuration; start the run again")
    current = tensors.get(_CURRENT)
    return done, None if current is None else current.numpy().tobytes()


def _result(entry: Mapping[str, Any], index: int, tensors: Mapping[str, Tensor]) -> FitResult:
    start = f"{index}:state/"
    arrays = {
        "state_dict": {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)},
        _LOGITS: np.asarray(tensors[f"{index}:{_LOGITS}"].numpy(), dtype=np.float32),
    }
    history = tuple(EpochReport(**report) for report in entry["history"])
    return FitResult(**{**entry, **arrays, "history": history, "preprocess": Preprocess.from_dict(entry["preprocess"])})
