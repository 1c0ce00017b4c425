"""Time to the published result of ResNet-18 at 28 pixels (test AUROC 0.944 and accuracy 0.854), ours compared with the peer.

Both are timed in one run on the same cores; seconds are those of training, evaluations do not count on either side. The
peer is checked after every epoch. Ours is a complete training of one epoch with the product's recipe; where it does not
get there, one of two, then of four and so on, and its seconds are the sum of all of them. Ours runs before and after the
peer, and the slower time counts. A peer that has not got there when its time is over makes the ratio a lower bound. The
median over several seeds counts.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import _medmnist_peer as peer
from benchmarks import _training_data as sets
from benchmarks import _training_quality as quality
from benchmarks._training_machine import watched

AUROC, ACCURACY = 0.944, 0.854
LENGTHS = (1, 2, 4, 8, 16)


def run(data: Path, limit_s: float, seeds: Sequence[int]) -> dict[str, Any]:
    """The figures of the race: the median over seeds, each of which both sides train with."""
    learning, test = sets.pneumoniamnist(data), sets.pneumoniamnist_test(data)
    heats = [_heat(data, learning, test, limit_s, seed) for seed in seeds]
    arrived = all(heat["ratio"] is not None for heat in heats)
    return {
        "speedup_vs_medmnist_recipe": round(statistics.median(heat["ratio"] for heat in heats), 1) if arrived else None,
        "speedup_is_lower_bound": not all(heat["peer"]["arrived"] for heat in heats),
        "race": heats,
    }


def _heat(data: Path, learning: sets.Learning, test: sets.Part, limit_s: float, seed: int) -> dict[str, Any]:
    first = _ours(learning, test, seed)
    with watched() as machine:
        other = _peer(data, limit_s, seed)
    second = _ours(learning, test, seed)
    arrived = first["arrived"] and second["arrived"]
    return {
        "seed": seed,
        "ratio": round(other["seconds"] / max(first["seconds"], second["seconds"]), 1) if arrived else None,
        "ours": [first, second],
        "peer": {**other, "machine": machine.to_dict()},
    }


def _reached(labels: npt.NDArray[np.int64], logits: npt.NDArray[np.float64]) -> tuple[bool, dict[str, float]]:
    from models_registry.statistics.calibration import softmax
    from models_registry.statistics.metrics import macro_auroc

    auroc = macro_auroc(labels, softmax(logits)) or 0.0
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    return auroc >= AUROC and accuracy >= ACCURACY, {"auroc": round(auroc, 4), "accuracy": round(accuracy, 4)}


def _ours(learning: sets.Learning, test: sets.Part, seed: int) -> dict[str, Any]:
    attempts, arrived = [], False
    for length in LENGTHS:
        recipe = quality.configuration(quality.PNEUMONIAMNIST, len(learning.train), seed=seed, epochs=length)
        done = quality.train(learning, recipe, test)
        arrived, figures = _reached(test.labels, done.logits_of_test())
        attempts.append({"epochs": length, **figures, **done.machine})
        print(f"ours: {attempts[-1]}", flush=True)
        if arrived:
            break
    return {"arrived": arrived, "seconds": sum(one["seconds"] for one in attempts), "attempts": attempts}


def _peer(data: Path, limit_s: float, seed: int) -> dict[str, Any]:
    pictures, labels = sets.pneumoniamnist_pictures(data, "train")
    test_pictures, test_labels = sets.pneumoniamnist_pictures(data, "test")
    arrived, seconds, trail = False, 0.0, []
    for network, seconds in peer.epochs(pictures, labels, seed, limit_s):
        arrived, figures = _reached(test_labels, peer.logits(network, test_pictures))
        trail.append({"seconds": round(seconds, 1), **figures})
        print(f"peer: {trail[-1]}", flush=True)
        if arrived:
            break
    return {"arrived": arrived, "seconds": round(seconds, 1), "trail": trail}
