"""Trainings whose pixels are on the disk: their memory, their wait for inputs, and their pace beside a bare loop in memory.

`python -m benchmarks._training_streaming COUNT SIDE STEPS` is one training of COUNT generated colour scans in a process of its
own, ended after some steps and a pass over a few validation scans; prints its figures as JSON.
"""

import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import _common
from benchmarks._training_machine import peak_rss_mb, watched

FEW, VAL = 100, 16
# A step of eight colour pictures of 512 pixels takes the compact network beyond 2 GB of memory, wherever their scans are.
BATCH_512, BATCH_224 = 4, 8
WARM_STEPS = 2
# As a worker starts a training.
AS_A_RUN = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "3000"}
# Of the cached side of the comparison: enough that no batch comes twice.
COMPARED, COMPARED_SIDE = 512, 224


@contextlib.contextmanager
def site_folder() -> Iterator[str]:
    """Django's settings over an empty folder: the sealed file lies there."""
    with tempfile.TemporaryDirectory(prefix="mediscan-bench-") as folder:
        os.environ.update(dict.fromkeys(_common.FOREIGN, ""))
        os.environ.update(
            MEDISCAN_DATA_DIR=folder,
            MEDISCAN_KEYS_FILE=f"{folder}/keys.json",
            DJANGO_SETTINGS_MODULE="mediscan_site.settings",
        )
        import django

        django.setup()
        yield folder


def generated(count: int, side: int, *, sealed: bool) -> Any:
    """Colour pictures of noise, sixteen kinds of them; no two are equal in all pixels."""
    from training.process.sealed import SealedPixels

    shape = (count, side, side, 3)
    kept: Any = SealedPixels(shape) if sealed else np.empty(shape, dtype=np.uint8)
    field = np.random.default_rng(0).integers(0, 256, (side + 97, side + 89, 3), dtype=np.uint8)
    cut = [field[top : top + side, top : top + side] ^ np.uint8(37 * top % 251) for top in range(0, 80, 5)]
    for number in range(count):
        picture = cut[number % len(cut)]
        picture[0, :4] = np.frombuffer(np.array([number, ~number, 0], dtype=np.int32).tobytes(), np.uint8).reshape(4, 3)
        if sealed:
            kept.put(number, picture)
        else:
            kept[number] = picture
    return kept


def one_training(count: int, side: int, steps: int) -> dict[str, Any]:
    """As a run does it: in memory within the budget of the machine, else sealed on the disk."""
    from models_registry.inference.architectures import build
    from models_registry.inference.names import COLOUR
    from training.engine.answering import logits_of
    from training.engine.config import TrainConfig
    from training.engine.data import TrainData, UnitInputs
    from training.engine.fit import fit
    from training.memory import budget
    from training.process.sealed import require_room

    each = side * side * 3
    sealed = (count + VAL) * each > budget()
    if sealed:
        require_room((count + VAL) * each)
    began = time.perf_counter()
    train, val = generated(count, side, sealed=sealed), generated(VAL, side, sealed=sealed)
    written = time.perf_counter() - began
    labels = np.arange(count, dtype=np.int64) % 2
    data = TrainData(train, labels, val, labels[:VAL], 2)
    waits: list[float] = []
    all_parts = UnitInputs.through

    def some_parts(inputs: UnitInputs, plan: Any) -> Generator[Tensor, None, None]:
        """The first steps of the epoch, with the time that each waited. The rest of the plan gets what the last one got."""
        with contextlib.closing(all_parts(inputs, plan)) as parts:
            for _ in range(steps):
                asked = time.perf_counter()
                part = next(parts)
                waits.append(time.perf_counter() - asked)
                yield part

    config = TrainConfig(architecture="resnet_compact", image_size=side, batch_size=BATCH_512, epochs=1, sees=COLOUR)
    UnitInputs.through = some_parts  # type: ignore[method-assign]
    stepped = []

    def stop() -> bool:
        if waits and len(waits) != len(stepped):
            stepped.append(time.perf_counter())
        return len(waits) >= steps

    fitted = time.perf_counter()
    with watched() as machine:
        done = fit(data, config, should_stop=stop, device="cpu")
        # As after each epoch.
        logits_of([build(config.architecture, 2, 3)], done.preprocess, val)
    took = stepped[-1] - stepped[WARM_STEPS - 1]
    return {
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "sealed_on_disk": sealed,
        "wait_share": round(sum(waits[WARM_STEPS:]) / took, 5),
        "steps": steps,
        "seconds_a_step": round(took / (len(stepped) - WARM_STEPS), 3),
        "seconds_to_write": round(written, 1),
        "seconds_to_first_step": round(stepped[0] - fitted, 1),
        "gb_on_disk": round(train.nbytes / 1e9, 2) if sealed else 0,
        **machine.to_dict(),
    }


def memory_and_wait(many: int, side: int, steps: int) -> dict[str, Any]:
    """Peak resident memory of a training of many and of few colour scans, and the wait of the first."""
    found = {count: _alone(count, side, steps) for count in (FEW, many)}
    peaks = {f"peak_rss_mb_{count}_{side}": figures["peak_rss_mb"] for count, figures in found.items()}
    return {
        **peaks,
        f"peak_rss_many_to_few_{side}": round(found[many]["peak_rss_mb"] / found[FEW]["peak_rss_mb"], 3),
        f"input_wait_share_{side}": found[many]["wait_share"],
        f"streaming_details_{side}": {str(count): figures for count, figures in found.items()},
    }


def _alone(count: int, side: int, steps: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._training_streaming", str(count), str(side), str(steps)],
        cwd=_common.ROOT, check=True, capture_output=True, text=True, env={**AS_A_RUN, **os.environ},
    )  # fmt: skip
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


class _Bare:
    """The same network, precision, changes to pictures and optimiser over tensors in memory, and nothing else. A step of either
    side is this one's, on inputs that come from elsewhere."""

    def __init__(self, pixels: np.ndarray, config: Any) -> None:
        from models_registry.inference.architectures import build
        from models_registry.inference.preprocess import Preprocess
        from training.engine.device import Device

        self.config, self.device = config, Device.of("cpu")
        self.network = build(config.architecture, 2, 3).to(memory_format=torch.channels_last).train()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=1e-4, fused=True)
        self.preprocess = Preprocess.fitted(pixels[:64], config.image_size, config.look)
        self.x = torch.from_numpy(pixels)
        self.y = torch.arange(len(pixels)) % 2
        self.noise = torch.Generator().manual_seed(0)

    def inputs(self, index: Tensor) -> Tensor:
        from models_registry.inference.preprocess import planes

        return planes(self.x[index]).to(torch.float32).div_(255)

    def step(self, unit: Tensor, index: Tensor) -> None:
        from training.engine.augment import Changes, augment

        unit = augment(unit, Changes.of(self.config), self.noise)
        x = self.preprocess.normalise(unit).contiguous(memory_format=torch.channels_last)
        with self.device.autocast():
            logits = self.network(x)
        loss = functional.cross_entropy(logits.float(), self.y[index])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()


def throughput(pairs: int) -> dict[str, Any]:
    """Images a second through the whole input path (disk, decryption, reading ahead, changes, step) divided by those of the same
    loop over tensors in memory: ResNet-18 at 224 pixels in colour. Steps are taken in turn; the median over pairs."""
    from models_registry.inference.names import COLOUR
    from training.engine.config import TrainConfig
    from training.engine.data import UnitInputs

    with site_folder():
        config = TrainConfig(
            architecture="resnet18", image_size=COMPARED_SIDE, batch_size=BATCH_224, epochs=1, sees=COLOUR
        )
        pixels = generated(COMPARED, COMPARED_SIDE, sealed=False)
        bare = _Bare(pixels, config)
        inputs = UnitInputs(generated(COMPARED, COMPARED_SIDE, sealed=True), bare.preprocess, bare.device)
        order = np.random.default_rng(0).integers(0, COMPARED, (2 * pairs + 2 * WARM_STEPS + 2, BATCH_224))
        ours, theirs = [], []
        with watched() as machine, contextlib.closing(inputs.through(list(order))) as parts:
            for index in itertools.islice(order, pairs + WARM_STEPS):
                began = time.perf_counter()
                bare.step(next(parts), torch.from_numpy(index))
                middle = time.perf_counter()
                bare.step(bare.inputs(torch.from_numpy(index)), torch.from_numpy(index))
                ours.append(middle - began)
                theirs.append(time.perf_counter() - middle)
    ratios = [bare_s / our_s for our_s, bare_s in zip(ours, theirs, strict=True)][WARM_STEPS:]
    return {
        "throughput_vs_bare_224": round(statistics.median(ratios), 3),
        "throughput_details_224": {
            "pairs": len(ratios),
            "images_a_second": round(BATCH_224 / statistics.median(ours[WARM_STEPS:]), 2),
            "bare_images_a_second": round(BATCH_224 / statistics.median(theirs[WARM_STEPS:]), 2),
            **machine.to_dict(),
        },
    }


def main() -> None:
    count, side, steps = map(int, sys.argv[1:4])
    with site_folder():
        print(json.dumps(one_training(count, side, steps)))


if __name__ == "__main__":
    main()
