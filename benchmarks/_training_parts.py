"""The parts of `benchmarks.training` that say how good a training is: each gives figures, and keeps every single run."""

import argparse
import statistics
from typing import Any

PUBLISHED = {"resnet18_28": [0.944, 0.854], "resnet50_224": [0.962, 0.884], "google_automl_vision": [0.991, 0.946]}

Given = argparse.Namespace
Figures = dict[str, Any]


def pneumoniamnist(given: Given, kept: Figures) -> Figures:
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


def best(given: Given, kept: Figures) -> Figures:
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


def xray(given: Given, kept: Figures) -> Figures:
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


def second_hospital(given: Given, kept: Figures) -> Figures:
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


def xray_levels(given: Given, kept: Figures) -> Figures:
    """The 240 radiographs with the levels of each equalised: at home, and at the second hospital."""
    from benchmarks import _training_quality as quality

    runs = _runs(quality.XRAY_LEVELS, given, kept)
    halves: dict[str, float | None] = {
        half: round(statistics.mean(run["elsewhere"][half]["balanced_accuracy"]["value"] for run in runs), 4)
        for half in ("ab" if given.final else "a")
        if all(half in run["elsewhere"] for run in runs)
    }
    return {
        "xray_levels_balanced_accuracy_mean": quality.mean_over_seeds(runs, "balanced_accuracy"),
        "second_hospital_levels_balanced_accuracy_chosen": halves.get("a"),
        "second_hospital_levels_balanced_accuracy": halves.get("b"),
        "xray_levels_seeds": len(runs),
        "xray_levels_each": [
            {**one, "second_hospital": run["elsewhere"]}
            for one, run in zip(_each(runs, "balanced_accuracy", "auroc"), runs, strict=True)
        ],
    }


def colour_cells(given: Given, kept: Figures) -> Figures:
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


def breastmnist(given: Given, kept: Figures) -> Figures:
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


def xray224(given: Given, kept: Figures) -> Figures:
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
