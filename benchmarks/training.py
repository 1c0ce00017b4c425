"""How good and how quick training is: `make bench-training`, `DATA=folder` for real scans.

Parts can be run alone (`--only`), in pieces (`--seeds`, `--first-seed`) and add up in `results/training.json`; every
single run is in `results/training-runs.json`. Test pictures are read only with `--final`; without it a part prints
validation figures and leaves its test figures null.
How configurations were chosen without a look at test pictures: `_training_search.py`; each of them is a line of
`training_tried.csv`. Seconds are wall time; they come with CPU seconds, threads and the cores that other programs
kept busy meanwhile, without which no second means anything.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import _common, _training_parts

# What docs and contract name; everything else in the file explains these.
KEYS = (
    "pneumoniamnist_auroc_mean", "pneumoniamnist_accuracy_mean", "pneumoniamnist_seconds_median",
    "pneumoniamnist_best_auroc", "pneumoniamnist_best_accuracy", "xray_balanced_accuracy_mean", "xray_linear_baseline",
    "speedup_vs_medmnist_recipe", "frozen_backbone_speedup", "step_vs_bare_loop", "input_wait_share",
    "train_click_to_deployable_s", "configurations_tried",
)  # fmt: skip
# Of the parts that came later: null where nothing was measured.
QUALITY_KEYS = (
    "colour_cells_balanced_accuracy_mean", "colour_cells_grey_mean", "breastmnist_auroc_mean", "breastmnist_accuracy_mean",
    "breastmnist_apart_auroc", "breastmnist_apart_accuracy", "second_hospital_balanced_accuracy",
    "second_hospital_balanced_accuracy_chosen", "xray_levels_balanced_accuracy_mean", "second_hospital_levels_balanced_accuracy",
    "second_hospital_levels_balanced_accuracy_chosen", "xray224_balanced_accuracy_mean", "xray224_seconds_median",
)  # fmt: skip
GPU_KEYS = ("gpu_images_per_second_vs_reference", "gpu_share_of_matrix_limit")
# The figures, and every single run with its answers, from which figures of several pieces are put together.
RESULT, RUNS = "training", "training-runs"
# Pixels a side of what is trained from the disk.
STREAMED_SIDE = 512
# Of the comparison of two processes with one.
PROCESSES_EPOCHS = 6
NEEDS_DATA = "needs DATA=folder with the real scans"

Given = argparse.Namespace
Figures = dict[str, Any]


def _race(given: Given, _: Figures) -> Figures:
    from benchmarks import _training_race

    if not given.final:
        print("race: reads test pictures, so it needs --final")
        return {}
    return _training_race.run(given.data, given.peer_limit, range(given.race_seeds))


def _frozen(given: Given, _: Figures) -> Figures:
    from benchmarks import _training_speed

    return _training_speed.frozen_phase(given.sample)


def _steps(given: Given, _: Figures) -> Figures:
    from benchmarks import _training_speed

    return {**_training_speed.steps(given.steps), **_training_speed.input_wait(given.steps)}


def _gpu(_given: Given, _: Figures) -> Figures:
    from benchmarks import _training_gpu

    return _training_gpu.run()


def _memory(given: Given, _: Figures) -> Figures:
    from benchmarks import _training_speed

    return _training_speed.memory(given.many)


def _streaming(given: Given, _: Figures) -> Figures:
    from benchmarks import _training_streaming

    found = _training_streaming.memory_and_wait(given.many, STREAMED_SIDE, given.steps)
    return {**found, **_training_streaming.throughput(given.steps)}


def _processes(given: Given, _: Figures) -> Figures:
    from benchmarks import _training_processes

    return _training_processes.compared(given.data, max(2, given.seeds), PROCESSES_EPOCHS)


def _site(given: Given, _: Figures) -> Figures:
    from benchmarks import _training_site

    return _training_site.run(given.data, given.grades)


PARTS: dict[str, Callable[[Given, Figures], Figures]] = {
    "steps": _steps,
    "frozen": _frozen,
    "gpu": _gpu,
    "memory": _memory,
    "streaming": _streaming,
    "processes": _processes,
    "site": _site,
    "xray": _training_parts.xray,
    "second_hospital": _training_parts.second_hospital,
    "xray_levels": _training_parts.xray_levels,
    "colour_cells": _training_parts.colour_cells,
    "breastmnist": _training_parts.breastmnist,
    "xray224": _training_parts.xray224,
    "pneumoniamnist": _training_parts.pneumoniamnist,
    "best": _training_parts.best,
    "race": _race,
}
ON_REAL_SCANS = (
    "xray", "second_hospital", "xray_levels", "colour_cells", "breastmnist", "xray224", "pneumoniamnist", "best", "race",
)  # fmt: skip


def main() -> None:
    given = _parser().parse_args()
    for name in given.only or PARTS:
        if name in ON_REAL_SCANS and given.data is None:
            print(f"{name}: not measured, {NEEDS_DATA}")
            continue
        before = _read(RUNS)
        kept = dict(before)
        measured = PARTS[name](given, kept)
        # Read again: another part may have been measured meanwhile, in a process of its own.
        made = {key: found for key, found in kept.items() if found is not before.get(key)}
        _path(RUNS).parent.mkdir(parents=True, exist_ok=True)
        _path(RUNS).write_text(json.dumps({**_read(RUNS), **made}))
        _common.save(RESULT, in_order({**_read(RESULT), **measured}))


def _path(name: str) -> Path:
    return _common.RESULTS / f"{name}.json"


def _read(name: str) -> Figures:
    figures: Figures = json.loads(_path(name).read_text()) if _path(name).is_file() else {}
    return figures


def in_order(figures: Figures) -> Figures:
    """The keys of the protocol first, null where nothing was measured; then the others."""
    from benchmarks._training_search import tried

    figures = {**figures, "configurations_tried": len(tried())}
    missing = [key for key in KEYS if figures.get(key) is None]
    return {
        **{key: figures.get(key) for key in KEYS},
        **{key: figures.get(key) for key in (*QUALITY_KEYS, *GPU_KEYS)},
        **{
            key: value for key, value in figures.items() if key not in (*KEYS, *QUALITY_KEYS, *GPU_KEYS, "not_measured")
        },
        "not_measured": missing,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the data sets: docs/training.md")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts to run; default: all")
    parser.add_argument(
        "--final", action="store_true", help="read the test pictures: only for configurations that are settled"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--peer-limit", type=float, default=600, help="seconds of training the peer is given")
    parser.add_argument("--race-seeds", type=int, default=3, help="how often both sides of the race are trained")
    parser.add_argument("--sample", type=int, default=64, help="pictures of the smaller sample of the frozen phase")
    parser.add_argument("--steps", type=int, default=30, help="pairs of steps of the engine and the bare loop")
    parser.add_argument("--many", type=int, default=20_000, help="scans of the memory figure")
    parser.add_argument("--grades", type=int, default=40, help="grades without, and during a training")
    return parser


if __name__ == "__main__":
    main()
