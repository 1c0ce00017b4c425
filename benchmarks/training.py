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
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import _common

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
    "second_hospital_balanced_accuracy_chosen", "xray224_balanced_accuracy_mean", "xray224_seconds_median",
)  # fmt: skip
PUBLISHED = {"resnet18_28": [0.944, 0.854], "resnet50_224": [0.962, 0.884], "google_automl_vision": [0.991, 0.946]}
GPU_KEYS = ("gpu_images_per_second_vs_reference", "gpu_share_of_matrix_limit")
# The figures, and every single run with its answers, from which figures of several pieces are put together.
RESULT, RUNS = "training", "training-runs"
# Pixels a side of what is trained from the disk.
STREAMED_SIDE = 512
NEEDS_DATA = "needs DATA=folder with the real scans"

Given = argparse.Namespace
Figures = dict[str, Any]


def _pneumoniamnist(given: Given, kept: Figures) -> Figures:
    from benchmarks import _training_quality as quality

    runs = _runs(quality.PNEUMONIAMNIST, given, kept)
    return {
        "pneumoniamnist_auroc_mean": quality.mean_over_seeds(runs, "auroc"),
        "pneumoniamnist_accuracy_mean": quality.mean_over_seeds(runs, "accuracy"),
        "pneumoniamnist_seconds_median": round(statistics.median(run["seconds"] for run in runs), 1),
        "pneumoniamnist_seeds": len(runs),
        "pneumoniamnist_pooled": _pooled(quality.PNEUMONIAMNIST, given, runs),
        "pneumoniamnist_each": _each(runs, "auroc", "accuracy"),
        "published": PUBLISHED,
    }


def _best(given: Given, kept: Figures) -> Figures:
    """One training, of seed 0: a best of several would be chosen on test pictures."""
    from benchmarks import _training_quality as quality

    name = quality.BEST
    runs = quality.runs(name, given.data, [0], [], final=given.final)
    kept[name] = runs
    return {
        "pneumoniamnist_best_auroc": quality.mean_over_seeds(runs, "auroc"),
        "pneumoniamnist_best_accuracy": quality.mean_over_seeds(runs, "accuracy"),
        "pneumoniamnist_best_each": _each(runs, "auroc", "accuracy"),
    }


def _xray(given: Given, kept: Figures) -> Figures:
    from benchmarks import _training_data as sets
    from benchmarks import _training_quality as quality

    runs = _runs(quality.XRAY, given, kept)
    equal = _runs(quality.XRAY_EQUALISED, given, kept)
    learning = sets.xray(given.data)
    figures: Figures = {"xray_linear_baseline": None, "xray_linear_baseline_equalised": None}
    if given.final:
        test = sets.xray_test(given.data)
        figures["xray_linear_baseline"] = quality.linear_baseline(learning, test)
        blunt = sets.Learning(sets.equalised(learning.train), sets.equalised(learning.val), learning.classes)
        figures["xray_linear_baseline_equalised"] = quality.linear_baseline(blunt, sets.equalised(test))
    return {
        "xray_balanced_accuracy_mean": quality.mean_over_seeds(runs, "balanced_accuracy"),
        "xray_equalised_balanced_accuracy_mean": quality.mean_over_seeds(equal, "balanced_accuracy"),
        "xray_seconds_median": round(statistics.median(run["seconds"] for run in runs), 1),
        "xray_pooled": _pooled(quality.XRAY, given, runs),
        "xray_equalised_pooled": _pooled(quality.XRAY, given, equal),
        "xray_each": _each(runs, "balanced_accuracy", "auroc"),
        "xray_equalised_each": _each(equal, "balanced_accuracy", "auroc"),
        **figures,
    }


def _second_hospital(given: Given, kept: Figures) -> Figures:
    """What the models of the 240 radiographs say elsewhere. Those of the part `xray` are asked, where it has read as much."""
    from benchmarks import _training_quality as quality

    halves = "ab" if given.final else "a"
    config = quality.configuration(quality.XRAY, len(quality.learning_of(quality.XRAY, given.data).train), seed=0)
    usable = quality.usable(kept.get(quality.XRAY, []), config.to_dict(), final=given.final)
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    asked = all(seed in usable and set(usable[seed]["elsewhere"]) >= set(halves) for seed in seeds)
    runs = [usable[seed] for seed in sorted(usable)] if asked else _runs(quality.XRAY, given, kept)
    figures: dict[str, list[float]] = {
        half: [run["elsewhere"][half]["balanced_accuracy"]["value"] for run in runs] for half in halves
    }
    return {
        "second_hospital_balanced_accuracy_chosen": round(statistics.mean(figures["a"]), 4),
        "second_hospital_balanced_accuracy": round(statistics.mean(figures["b"]), 4) if given.final else None,
        "second_hospital_seeds": len(runs),
        "second_hospital_each": [{"seed": run["seed"], **run["elsewhere"]} for run in runs],
    }


def _colour_cells(given: Given, kept: Figures) -> Figures:
    from benchmarks import _training_quality as quality

    colour, grey = (_runs(name, given, kept) for name in (quality.CELLS, quality.CELLS_GREY))
    return {
        "colour_cells_balanced_accuracy_mean": quality.mean_over_seeds(colour, "balanced_accuracy"),
        "colour_cells_grey_mean": quality.mean_over_seeds(grey, "balanced_accuracy"),
        "colour_cells_seconds_median": round(statistics.median(run["seconds"] for run in colour), 1),
        "colour_cells_seeds": len(colour),
        "colour_cells_each": _each(colour, "balanced_accuracy", "auroc"),
        "colour_cells_grey_each": _each(grey, "balanced_accuracy", "auroc"),
    }


def _breastmnist(given: Given, kept: Figures) -> Figures:
    """`…_apart`: without the test pictures that have a near-copy in training or validation."""
    from benchmarks import _training_more as more
    from benchmarks import _training_quality as quality

    runs = _runs(quality.BREAST, given, kept)
    figures: Figures = {}
    if given.final:
        learning, test = more.breast(given.data), more.breast_test(given.data)
        copies = more.near_copies(learning.train, test) + more.near_copies(learning.val, test)
        apart = more.without(test, {name for _, name in copies})
        figures = {
            "breastmnist_near_copies": [f"{first} = {second}" for first, second in copies],
            "breastmnist_apart_pictures": len(apart),
            **{f"breastmnist_apart_{name}": value for name, value in quality.apart(test, runs, apart).items()},
        }
    return {
        "breastmnist_auroc_mean": quality.mean_over_seeds(runs, "auroc"),
        "breastmnist_accuracy_mean": quality.mean_over_seeds(runs, "accuracy"),
        "breastmnist_seconds_median": round(statistics.median(run["seconds"] for run in runs), 1),
        "breastmnist_seeds": len(runs),
        "breastmnist_each": _each(runs, "auroc", "accuracy"),
        **figures,
    }


def _xray224(given: Given, kept: Figures) -> Figures:
    from benchmarks import _training_quality as quality

    runs = _runs(quality.XRAY_224, given, kept)
    return {
        "xray224_balanced_accuracy_mean": quality.mean_over_seeds(runs, "balanced_accuracy"),
        "xray224_seconds_median": round(statistics.median(run["seconds"] for run in runs), 1),
        "xray224_seeds": len(runs),
        "xray224_each": _each(runs, "balanced_accuracy", "auroc"),
    }


def _runs(name: str, given: Given, kept: Figures) -> list[Figures]:
    from benchmarks import _training_quality as quality

    seeds = range(given.first_seed, given.first_seed + given.seeds)
    runs = quality.runs(name, given.data, seeds, kept.get(name, []), final=given.final)
    kept[name] = runs
    return runs


def _each(found: list[Figures], *names: str) -> list[Figures]:
    """The figures of every run: of the test pictures, or where they were not read of validation."""
    facts = ("seed", "seconds", "cpu_seconds", "foreign_cores", "threads", "code")
    return [
        {
            **{name: run[name] for name in facts},
            "read": "test" if run["test"] else "validation",
            **{name: (run["test"] or run["validation"])[name] for name in names},
        }
        for run in found
    ]


def _pooled(name: str, given: Given, found: list[Figures]) -> Figures | None:
    from benchmarks import _training_data as sets
    from benchmarks import _training_quality as quality

    if not given.final:
        return None
    if name == quality.XRAY:
        return quality.pooled(sets.xray_test(given.data), found, sets.xray(given.data).classes)
    return quality.pooled(sets.pneumoniamnist_test(given.data), found, ("normal", "pneumonia"))


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


def _site(given: Given, _: Figures) -> Figures:
    from benchmarks import _training_site

    return _training_site.run(given.data, given.grades)


PARTS: dict[str, Callable[[Given, Figures], Figures]] = {
    "steps": _steps,
    "frozen": _frozen,
    "gpu": _gpu,
    "memory": _memory,
    "streaming": _streaming,
    "site": _site,
    "xray": _xray,
    "second_hospital": _second_hospital,
    "colour_cells": _colour_cells,
    "breastmnist": _breastmnist,
    "xray224": _xray224,
    "pneumoniamnist": _pneumoniamnist,
    "best": _best,
    "race": _race,
}
ON_REAL_SCANS = (
    "xray", "second_hospital", "colour_cells", "breastmnist", "xray224", "pneumoniamnist", "best", "race",
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
