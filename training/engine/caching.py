"""The frozen phase: the backbone runs once over all scans, and only the head learns on what it made of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models_registry.inference.architectures import HEAD, features
from models_registry.inference.preprocess import Tiles
from models_registry.inference.runtimes import batch_for

from .pictures import Pictures, ahead
from .state import Callbacks, Features, State

BATCH = 32


def cache_features(state: State, calls: Callbacks) -> Features | None:
    """Pooled features of all scans; None when it was stopped half-way. A frozen backbone gives the same in every epoch."""
    setting = state.setting
    state.network.eval()
    sets: list[tuple[Pictures, bool]] = [
        (setting.data.train_tiles, False),
        (setting.data.val_tiles, False),
    ]
    if setting.config.flip_tta:
        sets.append((setting.data.val_tiles, True))
    total = sum(len(tiles) for tiles, _ in sets)
    size = min(BATCH, batch_for(setting.preprocess.size))
    done, parts = 0, []
    for tiles, flipped in sets:
        rows = []
        plan = [slice(start, start + size) for start in range(0, len(tiles), size)]
        with closing(ahead(tiles, plan, np.asarray)) as read:
            for some in read:
                if calls.should_stop():
                    return None
                rows.append(_features(state, some, flipped=flipped))
                done += len(rows[-1])
                part = done / total
                calls.on_progress(state.share(state.epoch, cached=part), f"reading features, {part:.0%}")
        parts.append(torch.cat(rows))
    return Features(parts[0], parts[1], parts[2] if setting.config.flip_tta else None)


def _features(state: State, tiles: Tiles, *, flipped: bool) -> Tensor:
    setting = state.setting
    size = state.micro or len(tiles)
    rows = []
    with torch.inference_mode(), setting.device.autocast():
        for start in range(0, len(tiles), size):
            x = setting.device.place(setting.preprocess.to_tensor(tiles[start : start + size]))
            rows.append(features(state.network, x.flip(-1) if flipped else x).float())
    # Out of inference mode: the head's gradient is computed from them.
    return torch.cat(rows)


def head_logits(cached: Features, weights: Mapping[str, Tensor]) -> npt.NDArray[np.float32]:
    """Validation logits (N_val, K) of the head in `weights` on cached features: what the whole network would say."""
    weight, bias = weights[f"{HEAD}.weight"], weights[f"{HEAD}.bias"]
    logits = functional.linear(cached.val, weight, bias)
    if cached.flipped is not None:
        logits = (logits + functional.linear(cached.flipped, weight, bias)) / 2
    return np.asarray(logits.float().cpu().numpy(), dtype=np.float32)
