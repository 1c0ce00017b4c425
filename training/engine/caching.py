"""The frozen phase: the backbone runs once over all scans, and only the head learns on what it made of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models_registry.inference.architectures import HEAD, features
from models_registry.inference.preprocess import Tiles

from .state import Callbacks, Features, Run

BATCH = 32


def cache_features(run: Run, calls: Callbacks) -> Features | None:
    """Pooled features of all scans; None when it was stopped half-way. A frozen backbone gives the same in every epoch."""
    run.network.eval()
    sets: list[tuple[Tiles, bool]] = [(run.inputs.pixels[:, 0].cpu().numpy(), False), (run.data.val_tiles, False)]
    if run.config.flip_tta:
        sets.append((run.data.val_tiles, True))
    total = sum(len(tiles) for tiles, _ in sets)
    done, found = 0, []
    for tiles, flipped in sets:
        rows = []
        for start in range(0, len(tiles), BATCH):
            if calls.should_stop():
                return None
            rows.append(_features(run, tiles[start : start + BATCH], flipped=flipped))
            done += len(rows[-1])
            part = done / total
            calls.on_progress(run.share(run.epoch, cached=part), f"reading features, {part:.0%}")
        found.append(torch.cat(rows))
    return Features(found[0], found[1], found[2] if run.config.flip_tta else None)


def _features(run: Run, tiles: Tiles, *, flipped: bool) -> Tensor:
    size = run.micro or len(tiles)
    rows = []
    with torch.inference_mode(), run.device.autocast():
        for start in range(0, len(tiles), size):
            x = run.device.place(run.preprocess.to_tensor(tiles[start : start + size]))
            rows.append(features(run.network, x.flip(-1) if flipped else x).float())
    # Out of inference mode: the head's gradient is computed from them.
    return torch.cat(rows)


def head_logits(cached: Features, state: Mapping[str, Tensor]) -> npt.NDArray[np.float32]:
    """Validation logits (N_val, K) of the head in ``state`` on cached features: what the whole network would say."""
    weight, bias = state[f"{HEAD}.weight"], state[f"{HEAD}.bias"]
    logits = functional.linear(cached.val, weight, bias)
    if cached.flipped is not None:
        logits = (logits + functional.linear(cached.flipped, weight, bias)) / 2
    return np.asarray(logits.float().cpu().numpy(), dtype=np.float32)
