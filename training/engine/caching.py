"""The frozen phase: the backbone runs once over all scans, and only the head learns on what it made of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models_registry.inference.architectures import HEAD, features
from models_registry.inference.preprocess import Tiles
from models_registry.inference.runtimes import batch_for

from .pictures import Pictures, ahead
from .sharing import rows
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
        made = partial(_of_span, state, calls, tiles, size, flipped=flipped, before=done, total=total)
        whole = rows(setting.group, len(tiles), size, getattr(state.network, HEAD).in_features, made)
        if whole is None:
            return None
        parts.append(whole.to(setting.device.name))
        done += len(tiles)
    return Features(parts[0], parts[1], parts[2] if setting.config.flip_tta else None)


def _of_span(
    state: State, calls: Callbacks, tiles: Pictures, size: int, span: slice, *, flipped: bool, before: int, total: int
) -> Tensor | None:
    """Features of some of the pictures, `size` at a time; None when it was stopped."""
    read, whole = [], span.stop - span.start
    plan = [slice(start, min(start + size, span.stop)) for start in range(span.start, span.stop, size)]
    with closing(ahead(tiles, plan, np.asarray)) as pixels:
        for some in pixels:
            if calls.should_stop():
                return None
            read.append(_features(state, some, flipped=flipped))
            part = (before + len(tiles) * min(1.0, len(read) * size / whole)) / total
            calls.on_progress(state.share(state.epoch, cached=part), f"reading features, {part:.0%}")
    return torch.cat(read) if read else torch.zeros((0, getattr(state.network, HEAD).in_features))


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
