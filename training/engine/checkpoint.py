"""A checkpoint: the whole state of a run after an epoch, as one safetensors file with a JSON note. No pickle.

Random numbers need no place in it: every epoch derives its generators from (seed, epoch). The one-cycle schedule needs
none either: it is a function of the step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from .report import EpochReport

FORMAT_VERSION = 1
_KEY = "mediscan_checkpoint"


class CheckpointError(ValueError):
    """The bytes are not a checkpoint of this run; start it again without them."""


@dataclass(frozen=True)
class Checkpoint:
    """State after `epoch` epochs. `best` is None while the averaged weights are themselves the best so far.

    `backoffs`: how often the learning rate was halved after a loss that was not finite. `micro`: scans at a time
    after memory had run out, 0 for whole batches. `scaler`: the state of the loss scale (empty but for float16). Which
    stages are open follows from the step, and the epochs without a gain from the history.
    """

    run_key: str
    epoch: int
    step: int
    phase: str
    model: dict[str, Tensor]
    average: dict[str, Tensor]
    best: dict[str, Tensor] | None
    optimiser: dict[str, Tensor]
    best_epoch: int
    history: tuple[EpochReport, ...]
    preprocess: dict[str, Any]
    backoffs: int = 0
    micro: int = 0
    scaler: dict[str, Any] = field(default_factory=dict)


def run_key(*parts: object) -> str:
    """A digest of what must be equal for a checkpoint to belong to a run."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The tensors of an optimiser's state, named `index/key`."""
    state = optimiser.state_dict()["state"]
    return {
        f"{index}/{key}": torch.as_tensor(value) for index, values in state.items() for key, value in values.items()
    }


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Inverse of `optimiser_tensors` for an optimiser over the same parameters."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split("/", 1)
        owner = parameters[int(index)]
        # In its parameter's memory layout, which the fused kernel takes for granted, and a copy: it is written to.
        like = owner if value.shape == owner.shape else value
        state.setdefault(int(index), {})[key] = torch.empty_like(like, dtype=value.dtype).copy_(value)
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """The checkpoint as one file's bytes."""
    groups = {"model": checkpoint.model, "average": checkpoint.average, "optimiser": checkpoint.optimiser}
    if checkpoint.best is not None:
        groups["best"] = checkpoint.best
    tensors = {
        f"{group}:{name}": value.detach().cpu().contiguous().clone()
        for group, values in groups.items()
        for name, value in values.items()
    }
    note = {
        "format_version": FORMAT_VERSION,
        "run_key": checkpoint.run_key,
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "phase": checkpoint.phase,
        "best_epoch": checkpoint.best_epoch,
        "has_best": checkpoint.best is not None,
        "history": [asdict(report) for report in checkpoint.history],
        "preprocess": checkpoint.preprocess,
        "backoffs": checkpoint.backoffs,
        "micro": checkpoint.micro,
        "scaler": checkpoint.scaler,
    }
    return bytes(save(tensors, metadata={_KEY: json.dumps(note)}))


def from_bytes(data: bytes, expected_run_key: str) -> Checkpoint:
    """Inverse of `to_bytes`; `CheckpointError` when damaged or made by another run."""
    try:
        length = int.from_bytes(data[:8], "little")
        note = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
        tensors = load(data)
        groups: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "best": {}, "optimiser": {}}
        for name, value in tensors.items():
            group, key = name.split(":", 1)
            groups[group][key] = value
        result = Checkpoint(
            run_key=note["run_key"],
            epoch=note["epoch"],
            step=note["step"],
            phase=note["phase"],
            model=groups["model"],
            average=groups["average"],
            best=groups["best"] if note["has_best"] else None,
            optimiser=groups["optimiser"],
            best_epoch=note["best_epoch"],
            history=tuple(EpochReport(**report) for report in note["history"]),
            preprocess=note["preprocess"],
            backoffs=note["backoffs"],
            micro=note["micro"],
            scaler=note["scaler"],
        )
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"the checkpoint cannot be read ({type(error).__name__}); start the run again") from error
    if note["format_version"] != FORMAT_VERSION or result.run_key != expected_run_key:
        raise CheckpointError("the checkpoint belongs to another run, data set or configuration; start the run again")
    return result
