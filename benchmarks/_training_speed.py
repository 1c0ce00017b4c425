"""What the engine adds to a training: its step compared with a bare loop, its wait for inputs, its frozen phase, its memory."""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import _common
from benchmarks._training_machine import watched
from models_registry.inference.architectures import build
from models_registry.inference.preprocess import Preprocess
from training.engine.augment import Changes, augment
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.engine.device import Device
from training.engine.fit import fit

SIDE = 224
FROZEN_EPOCHS = 20
PICTURES = 4_708
BATCH = 8
WARM_STEPS = 3
FEW = 100


def synthetic(count: int, val: int, side: int, seed: int = 0) -> TrainData:
    """Noise of two classes, shrunk to `side` pixels as a run keeps its scans."""
    rng = np.random.default_rng(seed)
    tiles = rng.integers(0, 256, (count + val, side, side), dtype=np.uint8)
    labels = np.arange(count + val, dtype=np.int64) % 2
    return TrainData(tiles[:count], labels[:count], tiles[count:], labels[count:], 2)


@dataclass
class BareLoop:
    """A hand-written loop that does the work of the engine's step: the same augmentation, network, precision, loss,
    clipping, AdamW and weight average, and nothing else."""

    data: TrainData
    config: TrainConfig
    device: Device
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = self.config
        self.network = build(config.architecture, 2).to(memory_format=torch.channels_last).train()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=1e-4, weight_decay=config.weight_decay, fused=True
        )
        self.average = [value.detach().clone() for value in self.network.state_dict().values()]
        self.x = torch.from_numpy(self.data.train_tiles).unsqueeze(1)
        self.y = torch.from_numpy(self.data.train_labels)
        self.noise = torch.Generator().manual_seed(0)
        self.preprocess = Preprocess.fitted(self.data.train_tiles, config.image_size)

    def step(self) -> None:
        began = time.perf_counter()
        config, index = self.config, torch.randperm(len(self.x))[: self.config.batch_size]
        unit = self.x[index].to(torch.float32).div_(255)
        unit = augment(unit, Changes.of(config), self.noise)
        x = ((unit - self.preprocess.mean) / self.preprocess.std).contiguous(memory_format=torch.channels_last)
        with self.device.autocast():
            logits = self.network(x)
        loss = functional.cross_entropy(logits.float(), self.y[index], label_smoothing=config.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        with torch.no_grad():
            for mean, value in zip(self.average, self.network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(value, 1 - config.ema_decay)
        self.seconds.append(time.perf_counter() - began)


class Enough(Exception):
    """All steps have been timed."""


def step_beside_bare_loop(config: TrainConfig, steps: int, device: Device) -> dict[str, Any]:
    """Median over pairs of engine step / bare step, taken in turn in one process; below 1 the engine is faster.
    `device`: with what precision the bare loop computes."""
    data = synthetic(config.batch_size * (steps + WARM_STEPS), 4, config.image_size)
    bare, engine, last = BareLoop(data, config, device), [], [0.0]

    def between(_share: float, _message: str) -> None:
        if last[0]:
            engine.append(time.perf_counter() - last[0])
        if len(engine) >= steps + WARM_STEPS - 1:
            raise Enough
        bare.step()
        last[0] = time.perf_counter()

    with watched() as machine, contextlib.suppress(Enough):
        fit(data, config, on_progress=between, device="cpu")
    pairs = list(zip(engine, bare.seconds[1:], strict=False))[WARM_STEPS:]
    return {
        "ratio": round(statistics.median(ours / theirs for ours, theirs in pairs), 3),
        "engine_ms": round(1000 * statistics.median(ours for ours, _ in pairs), 1),
        "bare_ms": round(1000 * statistics.median(theirs for _, theirs in pairs), 1),
        "pairs": len(pairs),
        **machine.to_dict(),
    }


def steps(count: int) -> dict[str, Any]:
    """Full fine-tuning of a ResNet-18 at 224 pixels, and the compact network at 28, compared with loops of the same precision;
    and the first compared with the usual loop in full precision."""
    large = TrainConfig(architecture="resnet18", image_size=SIDE, batch_size=BATCH, epochs=1)
    small = TrainConfig(architecture="resnet_compact", image_size=28, batch_size=64, epochs=1)
    same, full = Device.of("cpu"), Device("cpu")
    figures = {
        "resnet18_224": step_beside_bare_loop(large, count, same),
        "compact_28": step_beside_bare_loop(small, 2 * count, same),
        "resnet18_224_beside_full_precision": step_beside_bare_loop(large, count, full),
    }
    return {"step_vs_bare_loop": figures["resnet18_224"]["ratio"], "step_details": figures}


def input_wait(count: int) -> dict[str, Any]:
    """The share of training time in which the network waits for its inputs, as the engine itself reports it."""
    shares = {}
    for architecture, side, batch in (("resnet18", SIDE, BATCH), ("resnet_compact", 28, 64)):
        config = TrainConfig(architecture=architecture, image_size=side, batch_size=batch, epochs=1)
        done = fit(synthetic(batch * count, 4, side), config, device="cpu")
        shares[f"{architecture}_{side}"] = round(done.history[0].input_share, 5)
    return {"input_wait_share": max(shares.values()), "input_wait_details": shares}


def frozen_phase(sample: int) -> dict[str, Any]:
    """Twenty epochs of the head on cached features compared with running the frozen backbone in each of them.

    Composed for as many pictures as PneumoniaMNIST trains on: the engine's whole frozen phase (features once, ten sweeps
    of the head an epoch) is timed on two samples, whose line gives what it costs at all and what it costs per picture.
    The other side is twenty times the usual loop over the sample: eager forward pass of the same network, one sweep of
    the head. Weights are random: they cost what trained ones cost.
    """
    small, large = synthetic(sample, 2, SIDE), synthetic(3 * sample, 2, SIDE)
    with tempfile.TemporaryDirectory() as folder, watched() as machine:
        _random_weights(Path(folder))
        _frozen_fit(small, folder)  # warms up
        before, ours_small = _eager_epoch(large), _frozen_fit(small, folder)
        ours_large, after = _frozen_fit(large, folder), _eager_epoch(large)
    each = (ours_large - ours_small) / (2 * sample)
    at_all = max(0.0, ours_small - each * sample)
    eager = (before + after) / 2 / (3 * sample)
    return {
        "frozen_backbone_speedup": round(FROZEN_EPOCHS * eager * PICTURES / (at_all + each * PICTURES), 1),
        "frozen_details": {
            "composed_for_pictures": PICTURES,
            "samples": [sample, 3 * sample],
            "eager_ms_a_picture_and_epoch": round(1000 * eager, 2),
            "ours_ms_a_picture_for_all_epochs": round(1000 * each, 2),
            "ours_s_at_all": round(at_all, 2),
            **machine.to_dict(),
        },
    }


def _frozen_fit(data: TrainData, folder: str) -> float:
    config = TrainConfig(
        architecture="resnet18", pretrained=True, epochs=FROZEN_EPOCHS, frozen_epochs=FROZEN_EPOCHS, image_size=SIDE
    )
    return fit(data, config, weights_dir=folder, allow_download=False, device="cpu").seconds


def _random_weights(folder: Path) -> None:
    """A file as torchvision's, with weights at random."""
    from safetensors.torch import save_file
    from torchvision import models

    from training.engine.weights import file_name

    torch.manual_seed(0)
    state = models.resnet18(weights=None).state_dict()
    save_file(state, (folder / file_name("resnet18")).with_suffix(".safetensors"))


def _eager_epoch(data: TrainData) -> float:
    """Seconds of one epoch of the usual transfer-learning loop: backbone without gradient, head with."""
    network = build("resnet18", 2)
    network.requires_grad_(requires_grad=False)
    network.fc.requires_grad_()
    network.eval()
    optimiser = torch.optim.AdamW(network.fc.parameters(), lr=1e-3)
    x, y = torch.from_numpy(data.train_tiles), torch.from_numpy(data.train_labels)
    began = time.perf_counter()
    for start in range(0, len(x), 32):
        index = slice(start, start + 32)
        inputs = x[index].unsqueeze(1).to(torch.float32).div_(255)
        optimiser.zero_grad()
        functional.cross_entropy(network(inputs), y[index]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return time.perf_counter() - began


def memory(many: int) -> dict[str, Any]:
    """Peak resident memory of a training process at the engine's level, with few and with many scans of 28 pixels."""
    peaks = {f"peak_rss_mb_{count}_scans": _peak(count) for count in (FEW, many)}
    return {
        **peaks,
        "peak_rss_growth_mb": round(peaks[f"peak_rss_mb_{many}_scans"] - peaks[f"peak_rss_mb_{FEW}_scans"], 1),
    }


def _peak(count: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._training_memory", str(count)],
        cwd=_common.ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(json.loads(done.stdout.splitlines()[-1]))
