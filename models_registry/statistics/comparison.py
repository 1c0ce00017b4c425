"""A new version against the deployed one on the same test cases, each figure with its interval and p.

Where a group (patient) has several cases, DeLong's and McNemar's tests treat them as independent and give too small a p;
then the p that counts is that of the bootstrap over groups, and theirs are given next to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models_registry.statistics.availability import MIN_CASES, reasons
from models_registry.statistics.boundary import Carriers, has_width, unanimous_difference, unanimous_p
from models_registry.statistics.calibration import Floats, Ints
from models_registry.statistics.metrics import check
from models_registry.statistics.paired import delong, mcnemar
from models_registry.statistics.resampling import Groups, holm, interval, p_value, weights
from models_registry.statistics.weighted import figures

ALPHA = 0.05
CLUSTERED = "bootstrap over groups"


def compare(
    y_true: npt.ArrayLike,
    new: npt.ArrayLike,
    deployed: npt.ArrayLike,
    groups: Sequence[object],
    classes: Sequence[str],
    *,
    n_boot: int = 1000,
    seed: int = 0,
    min_cases: int = MIN_CASES,
) -> dict[str, Any]:
    """Labels (N,), probabilities (N, K) of both in the same class order, group of each case (N) -> a JSON-able comparison.

    `tests` has AUROC (of class 1 with two classes, one-vs-rest of each with more), balanced accuracy and accuracy, each
    with `difference` = new - deployed, its bootstrap interval, `p`, the `method` that `p` is of, and `p_holm`,
    corrected over all of them. A figure that too few cases carry has `p` None and a `reason`. `ValueError` on bad
    shapes."""
    y = np.asarray(y_true, dtype=np.int64)
    one, two = np.asarray(new, dtype=np.float64), np.asarray(deployed, dtype=np.float64)
    for p in (one, two):
        check(y, p, groups, classes)
    clusters = Groups.of(groups)
    names = _names(len(classes))
    point = [figures(y, p, np.ones((1, len(y))), None, 1) for p in (one, two)]
    drawn = _differences(y, one, two, clusters, names, n_boot, seed)
    why = reasons(y, one, None, classes, min_cases)
    tests = []
    for name in names:
        values = (float(point[0][name][0]), float(point[1][name][0]))
        draws = Draws(drawn[name], _effective(name, Carriers(y, one, clusters)))
        entry = _entry(name, classes, values, draws, why.get("*") or why.get(name))
        tests.append(entry if "reason" in entry else _tested(entry, name, y, one, two, clusters, draws))
    _correct(tests)
    return {
        "available": True,
        "n": len(y),
        "n_groups": clusters.count,
        "groups_repeat": clusters.repeat,
        "n_boot": n_boot,
        "alpha": ALPHA,
        "correction": "Holm",
        "tests": tests,
        "note": _note(clusters),
    }


def unavailable(reason: str) -> dict[str, Any]:
    """What a report contains when there was nothing to compare with fairly."""
    return {"available": False, "reason": reason}


def significant(tests: Sequence[Mapping[str, Any]], *, worse: bool) -> list[Mapping[str, Any]]:
    """Those of a comparison's `tests` in which the new version is worse (or better) after correction."""
    significant_tests = [test for test in tests if test["p_holm"] is not None and test["p_holm"] < ALPHA]
    return [test for test in significant_tests if (test["difference"] < 0) == worse]


def _names(k: int) -> list[str]:
    """Keys of `weighted.figures`."""
    return [f"{c}/auroc" for c in ([1] if k == 2 else range(k))] + ["balanced_accuracy", "accuracy"]


def _differences(
    y: Ints, one: Floats, two: Floats, groups: Groups, names: Sequence[str], n_boot: int, seed: int
) -> dict[str, Floats]:
    """Resampled differences (B,) by figure: both versions see the same draws."""
    parts: dict[str, list[Floats]] = {name: [np.zeros(0)] for name in names}
    for w in weights(groups, n_boot, seed):
        first, second = figures(y, one, w, None, 1), figures(y, two, w, None, 1)
        for name in names:
            parts[name].append(first[name] - second[name])
    return {name: np.concatenate(values) for name, values in parts.items()}


@dataclass(frozen=True)
class Draws:
    """Resampled differences (B,), and how many patients count where all of them are equal (`boundary`)."""

    values: Floats
    patients: int

    def interval(self, difference: float) -> tuple[float, float] | None:
        ends = interval(self.values)
        return ends if ends is None or has_width(ends) else unanimous_difference(difference, self.patients)

    def p(self, difference: float) -> float:
        ends = interval(self.values)
        least = unanimous_p(difference, self.patients) if ends is not None and not has_width(ends) else 0.0
        return max(p_value(self.values), least)


def _effective(name: str, carriers: Carriers) -> int:
    if "/" in name:
        return carriers.of_both_kinds(int(name.split("/")[0]))
    return carriers.of_every_class() if name == "balanced_accuracy" else carriers.groups.count


def _entry(
    name: str, classes: Sequence[str], values: tuple[float, float], drawn: Draws, reason: str | None
) -> dict[str, Any]:
    c, figure = name.split("/") if "/" in name else (None, name)
    entry: dict[str, Any] = {"figure": figure, "class": None if c is None else classes[int(c)]}
    if reason:
        missing = dict.fromkeys(("new", "deployed", "difference", "low", "high", "p", "p_holm", "method"))
        return {**entry, **missing, "reason": reason}
    low, high = drawn.interval(values[0] - values[1]) or (None, None)
    return {
        **entry,
        "new": values[0],
        "deployed": values[1],
        "difference": values[0] - values[1],
        "low": low,
        "high": high,
    }


def _tested(
    entry: dict[str, Any], name: str, y: Ints, one: Floats, two: Floats, groups: Groups, drawn: Draws
) -> dict[str, Any]:
    """With the classical test, and the p that counts."""
    clustered = drawn.p(entry["difference"]) if entry["low"] is not None else None
    classical: float | None = None
    if entry["figure"] == "auroc":
        c = int(name.split("/")[0])
        paired = delong(y == c, one[:, c], two[:, c])
        entry["delong"], classical, method = paired.to_dict(), paired.p, "DeLong"
    elif entry["figure"] == "accuracy":
        result = mcnemar(one.argmax(axis=1) == y, two.argmax(axis=1) == y)
        entry["mcnemar"] = {
            "only_new_right": result.only_first,
            "only_deployed_right": result.only_second,
            "p_exact": result.p_exact,
            "p_mid": result.p_mid,
        }
        classical, method = result.p_mid, "McNemar, mid-p"
    if groups.repeat or classical is None:
        return {**entry, "p": clustered, "p_holm": None, "method": CLUSTERED}
    return {**entry, "p": classical, "p_holm": None, "method": method}


def _correct(tests: list[dict[str, Any]]) -> None:
    """Fill in `p_holm` over the tests that have a p; for the others say why they have none."""
    carried = [test for test in tests if test["p"] is not None]
    for test, adjusted in zip(carried, holm([test["p"] for test in carried]), strict=True):
        test["p_holm"] = adjusted
    for test in tests:
        if test["p"] is None:
            test.setdefault("reason", "no interval: too few groups")


def _note(groups: Groups) -> str:
    if groups.repeat:
        return (
            "Some groups have several scans. DeLong's and McNemar's tests treat scans as independent and ignore that; "
            "so the p given is of the bootstrap over groups."
        )
    return "Every group has one scan, so DeLong's and McNemar's tests, which treat scans as independent, apply."
