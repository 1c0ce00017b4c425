"""The frozen phase: the backbone runs once over all scans, and only the head learns on what it made of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from itertools import islice

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
    poses = setting.config.poses
    # By the number of the pose; 0 is the scan as it is.
    sets: list[tuple[Pictures, int]] = [
        (setting.data.train_tiles, 0),
        *((setting.data.val_tiles, pose) for pose in range(poses.count)),
    ]
    total = sum(len(tiles) for tiles, _ in sets)
    size = min(BATCH, batch_for(setting.preprocess.size))
    done, parts = 0, []
    for tiles, pose in sets:
        made = partial(_of_span, state, calls, tiles, size, pose=pose, before=done, total=total)
        whole = rows(setting.group, len(tiles), size, getattr(state.network, HEAD).in_features, made)
        if whole is None:
            return None
        parts.append(whole.to(setting.device.name))
        done += len(tiles)
    return Features(parts[0], parts[1], tuple(parts[2:]))


def _of_span(
    state: State, calls: Callbacks, tiles: Pictures, size: int, span: slice, *, pose: int, before: int, total: int
) -> Tensor | None:
    """Features of some of the pictures, `size` at a time; None when it was stopped."""
    read, whole = [], span.stop - span.start
    plan = [slice(start, min(start + size, span.stop)) for start in range(span.start, span.stop, size)]
    with closing(ahead(tiles, plan, np.asarray)) as pixels:
        for some in pixels:
            if calls.should_stop():
                return None
            read.append(_features(state, some, pose))
            part = (before + len(tiles) * min(1.0, len(read) * size / whole)) / total
            calls.on_progress(state.share(state.epoch, cached=part), f"reading features, {part:.0%}")
    return torch.cat(read) if read else torch.zeros((0, getattr(state.network, HEAD).in_features))


def _features(state: State, tiles: Tiles, pose: int) -> Tensor:
    setting = state.setting
    size = state.micro or len(tiles)
    rows = []
    with torch.inference_mode(), setting.device.autocast():
        for start in range(0, len(tiles), size):
            x = setting.device.place(setting.preprocess.to_tensor(tiles[start : start + size]))
            held = next(islice(setting.config.poses.others(x), pose - 1, None)) if pose else x
            rows.append(features(state.network, held).float())
    # Out of inference mode: the head's gradient is computed from them.
    return torch.cat(rows)


def head_logits(cached: Features, weights: Mapping[str, Tensor]) -> npt.NDArray[np.float32]:
    """Validation logits (N_val, K) of the head in `weights` on cached features: what the whole network would say."""
    weight, bias = weights[f"{HEAD}.weight"], weights[f"{HEAD}.bias"]
    logits = functional.linear(cached.val, weight, bias)
    for posed in cached.posed:
        logits = logits + functional.linear(posed, weight, bias)
    logits = logits / (1 + len(cached.posed))
    return np.asarray(logits.float().cpu().numpy(), dtype=np.float32)
