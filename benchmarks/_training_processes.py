"""Two processes of one thread each beside one process of two threads: the same images, the same batches, in turn.

`python -m benchmarks._training_processes DATA SEED EPOCHS` is one training, alone or one of several processes that torchrun has
started; the one that leads prints its figures as JSON. DATA is empty for generated pictures. Figures are those of validation
pictures: no test picture is read.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._training_data import ARCHIVE, pneumoniamnist_pictures
from benchmarks._training_machine import watched
from benchmarks._training_speed import synthetic
from models_registry.inference.names import COMPACT
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.engine.fit import fit
from training.engine.group import ALONE, join, launched

SIDE = 28
TRAIN, VAL = 1024, 512
THREADS = 2
LAUNCHER = (
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--local-addr",
    "127.0.0.1",
    "--nproc-per-node",
    str(THREADS),
)
AS_A_RUN = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "3000", "GLOO_SOCKET_IFNAME": "lo"}


def compared(data: Path | None, seeds: int, epochs: int) -> dict[str, Any]:
    """Images a second of two processes ÷ of one, median over seeds; validation AUROC of each, seed by seed."""
    folder = str(data) if data is not None and (data / ARCHIVE).is_file() else ""
    pairs = []
    with watched() as seen:
        for seed in range(seeds):
            # Whoever comes first in one pair comes second in the next.
            order = (1, THREADS) if seed % 2 == 0 else (THREADS, 1)
            found = {processes: _measured(processes, folder, seed, epochs) for processes in order}
            pairs.append((found[1], found[THREADS]))
            print(f"processes, seed {seed}: {pairs[-1]}", flush=True)
    one, two = zip(*pairs, strict=True)
    figures = {
        "processes_images_per_second_ratio": statistics.median(
            b["images_per_second"] / a["images_per_second"] for a, b in pairs
        ),
        "processes_cpu_seconds_ratio": statistics.median(b["cpu_s"] / a["cpu_s"] for a, b in pairs),
        "processes_machine": seen.to_dict(),
    }
    if folder:
        figures["processes_val_auroc_one"] = [found["val_auroc"] for found in one]
        figures["processes_val_auroc_two"] = [found["val_auroc"] for found in two]
    return figures


def _measured(processes: int, folder: str, seed: int, epochs: int) -> dict[str, Any]:
    words = ["-m", "benchmarks._training_processes", folder, str(seed), str(epochs)]
    launcher = [*LAUNCHER, "--no-python", sys.executable] if processes > 1 else []
    environment = {**os.environ, **AS_A_RUN, "OMP_NUM_THREADS": str(THREADS // processes)}
    done = subprocess.run(
        [sys.executable, *launcher, *words], env=environment, capture_output=True, text=True, check=True
    )
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def _scans(folder: str) -> TrainData:
    if not folder:
        return synthetic(TRAIN, VAL, SIDE)
    train, val = (pneumoniamnist_pictures(Path(folder), split) for split in ("train", "val"))
    some = np.random.default_rng(0).permutation(len(train[1]))[:TRAIN]
    return TrainData(train[0][some], train[1][some], *val, n_classes=2)


def one_training(folder: str, seed: int, epochs: int) -> dict[str, Any] | None:
    group = join("cpu") if launched() else ALONE
    torch.set_num_threads(THREADS // group.size)
    data = _scans(folder)
    config = TrainConfig(architecture=COMPACT, image_size=SIDE, epochs=epochs, seed=seed, batch_size=64)
    fitted = fit(data, config, device="cpu", processes=group)
    spent = torch.tensor([sum(os.times()[:2])], dtype=torch.float32)
    group.add_up([spent])
    group.close()
    # The first epoch pays for what is done once.
    seconds = sum(report.seconds for report in fitted.history[1:])
    images = len(data.train_labels) * (epochs - 1)
    best = fitted.history[fitted.best_epoch - 1]
    if not group.leads:
        return None
    return {"images_per_second": images / seconds, "cpu_s": float(spent), "val_auroc": best.val_auroc}


if __name__ == "__main__":
    if (made := one_training(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))) is not None:
        print(json.dumps(made), flush=True)
