"""What a GPU does in a training: the engine's steps compared with two hand-written loops, and the share of the matrix limit.

The first loop is that of torchvision's references/classification: float16 with a scaled loss, SGD, pictures in the
layout they come in. The second does the engine's work by hand: bfloat16, channels_last, AdamW, a weight average,
compiled where the engine compiles. Both are given normalised pictures that are on the GPU already, without augmentation,
which is to their advantage. Ours and theirs take turns in one process, ten steps at a time.
"""

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks._training_speed import SIDE, Enough, synthetic
from models_registry.inference.architectures import build
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.engine.fit import fit

ARCHITECTURE, BATCH = "resnet50", 128
# Steps between two looks at the clock, each of which waits for the GPU; windows of each side that count, after those that
# find algorithms and compile.
WINDOW, WINDOWS, WARM_WINDOWS = 10, 7, 2
# Multiply-adds of a forward pass of ResNet-50 at 224 pixels in grey (torchvision states 4.09 G in colour; the first
# convolution has a third of its 0.118 G); a backward pass takes twice as many.
MACS = 4.09e9 - 0.118e9 * 2 / 3
OPERATIONS = 2 * 3 * MACS
MATRIX = 8192


def _now() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


@dataclass
class HandLoop:
    """A loop over pictures (N, 1, side, side) that lie on the GPU, float32 and normalised."""

    x: Tensor
    y: Tensor
    network: nn.Module
    forward: nn.Module
    optimiser: torch.optim.Optimizer
    half: torch.dtype
    average: list[Tensor] | None = None
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scaler = torch.amp.GradScaler("cuda", enabled=self.half is torch.float16)

    def window(self) -> None:
        """Some steps, timed together."""
        began = _now()
        for _ in range(WINDOW):
            self._step()
        self.seconds.append(_now() - began)

    def _step(self) -> None:
        index = torch.randint(len(self.x), (BATCH,), device="cuda")
        with torch.autocast("cuda", dtype=self.half):
            loss = functional.cross_entropy(self.forward(self.x[index]), self.y[index], label_smoothing=0.1)
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.average is not None:
            live = [value for value in self.network.state_dict().values() if value.is_floating_point()]
            with torch.no_grad():
                torch._foreach_lerp_(self.average, live, 0.01)


def reference(x: Tensor, y: Tensor) -> HandLoop:
    """As torchvision's references train."""
    network = build(ARCHITECTURE, 2).cuda().train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    return HandLoop(x, y, network, network, optimiser, torch.float16)


def by_hand(x: Tensor, y: Tensor, *, compiled: bool) -> HandLoop:
    """The engine's work and nothing else."""
    network = build(ARCHITECTURE, 2).cuda().to(memory_format=torch.channels_last).train()
    forward = torch.compile(network, dynamic=False) if compiled else network
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
    average = [value.detach().clone() for value in network.state_dict().values() if value.is_floating_point()]
    return HandLoop(
        x.to(memory_format=torch.channels_last), y, network, forward, optimiser, torch.bfloat16, average=average
    )


def beside(data: TrainData, other: HandLoop, *, compiled: bool) -> dict[str, Any]:
    """Images a second of both sides and the median over windows of ours / theirs; above 1 the engine is faster."""
    config = TrainConfig(architecture=ARCHITECTURE, image_size=SIDE, batch_size=BATCH, epochs=1)
    ours: list[float] = []
    began, steps = [0.0], [0]

    def after_a_step(_share: float, _message: str) -> None:
        steps[0] += 1
        if steps[0] % WINDOW:
            return
        if began[0]:
            ours.append(_now() - began[0])
        other.window()
        if len(ours) == WINDOWS + WARM_WINDOWS:
            raise Enough
        began[0] = _now()

    with contextlib.suppress(Enough):
        fit(data, config, on_progress=after_a_step, device="cuda", compiled=compiled)
    pairs = list(zip(ours, other.seconds[1:], strict=False))[WARM_WINDOWS:]
    pictures = BATCH * WINDOW
    return {
        "ratio": round(statistics.median(theirs / mine for mine, theirs in pairs), 3),
        "ours_images_per_second": round(pictures / statistics.median(mine for mine, _ in pairs)),
        "theirs_images_per_second": round(pictures / statistics.median(theirs for _, theirs in pairs)),
        "windows": len(pairs),
    }


def matrix_limit() -> float:
    """Operations a second of a large product in bfloat16: the median of ten."""
    a, b = (torch.randn(MATRIX, MATRIX, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    taken = []
    for _ in range(13):
        began = _now()
        a @ b
        taken.append(_now() - began)
    return 2 * MATRIX**3 / statistics.median(taken[3:])


def run() -> dict[str, Any]:
    """The figures of a GPU; nothing where there is none."""
    if not torch.cuda.is_available():
        print("gpu: not measured, there is none")
        return {}
    limit = matrix_limit()
    data = synthetic(BATCH * WINDOW * (WINDOWS + WARM_WINDOWS + 1), 4, SIDE)
    x = torch.randn(1024, 1, SIDE, SIDE, device="cuda")
    y = torch.arange(1024, device="cuda") % 2
    sides: dict[str, tuple[Callable[[], HandLoop], bool]] = {
        "reference": (lambda: reference(x, y), False),
        "by_hand": (lambda: by_hand(x, y, compiled=False), False),
        "reference_compiled": (lambda: reference(x, y), True),
        "by_hand_compiled": (lambda: by_hand(x, y, compiled=True), True),
    }
    figures = {}
    for name, (make, compiled) in sides.items():
        figures[name] = beside(data, make(), compiled=compiled)
        print(f"gpu, {name}: {figures[name]}", flush=True)
        torch.cuda.empty_cache()
    best = max(one["ours_images_per_second"] for one in figures.values())
    return {
        "gpu_images_per_second_vs_reference": figures["reference_compiled"]["ratio"],
        "gpu_share_of_matrix_limit": round(best * OPERATIONS / limit, 4),
        "gpu_details": {
            "device": torch.cuda.get_device_name(),
            "torch": torch.__version__,
            "matrix_tflops": round(limit / 1e12, 1),
            "batch": BATCH,
            **figures,
        },
    }
