"""Figures of subgroups ("slices") of a test set, and for which the version does significantly worse than for the rest.

A mean can hide a group that fares badly (Oakden-Rayner et al., "Hidden stratification", ACM CHIL 2020). The difference of a
slice and the rest is tested by its influence function summed over groups (patients), which holds where a patient has scans
on both sides: for areas that is Obuchowski's clustered form of DeLong's test (Biometrics 1997), for shares the
ratio estimator of Rao & Scott (Biometrics 1992). Both are shrunk by one case right and one wrong and have at least the
variance of independent cases (Agresti & Caffo, The American Statistician 2000; areas: Hanley & McNeil, Radiology 1982), so
that a few cases that are all right, or all wrong, prove little.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models_registry.statistics.availability import MIN_CASES
from models_registry.statistics.calibration import Floats, Ints
from models_registry.statistics.metrics import check, measured
from models_registry.statistics.paired import NORMAL, components
from models_registry.statistics.resampling import CONFIDENCE, MIN_GROUPS, Groups, holm
from models_registry.statistics.weighted import Mask

FIGURES = ("sensitivity", "specificity", "auroc")
INTERVALS_OF = ("balanced_accuracy", *FIGURES)
ALPHA = 0.05
MIN_COMPARED = 10  # cases that carry a figure on either side before the sides are compared
MAX_VALUES = 12
UNKNOWN, OTHER = "unknown", "other"


@dataclass(frozen=True)
class Influence:
    """A figure of a subset: its value, the value and least variance that a test takes, and what each case adds (N,)."""

    value: float
    tested: float
    floor: float
    per_case: Floats


def slice_report(
    y_true: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: Sequence[object],
    classes: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    *,
    n_boot: int = 1000,
    seed: int = 0,
    min_cases: int = MIN_CASES,
) -> list[dict[str, Any]]:
    """Labels (N,), probabilities (N, K), groups (N), and by column the value of each case (N; "" is unknown) -> a list.

    A column with only one value divides nothing and gives no slice; of many values the rarest are pooled. Each
    slice has `by`, `value`, `n`, `n_groups`, figures with intervals, and under `against_rest` the differences
    from the cases outside it with interval, `p` and `p_holm` over all slices; `worse` names the figures that are
    significantly lower. `ValueError` on bad shapes."""
    y, p = np.asarray(y_true, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    check(y, p, groups, classes)
    clusters = Groups.of(groups)
    slices = []
    for name, values in columns.items():
        pooled = _pooled(values)
        for value in _order(pooled):
            inside = np.asarray([known == value for known in pooled], dtype=bool)
            own = Groups.of([group for group, here in zip(groups, inside, strict=True) if here])
            figures = measured(y[inside], p[inside], own, classes, n_boot=n_boot, seed=seed, min_cases=min_cases)
            slices.append(
                {
                    "by": name,
                    "value": value,
                    "n": int(inside.sum()),
                    "n_groups": own.count,
                    **{figure: figures[figure] for figure in INTERVALS_OF},
                    "against_rest": against_rest(y, p, clusters, inside),
                }
            )
    return _corrected(slices)


def _pooled(values: Sequence[str]) -> list[str]:
    """Unknown values by their name, the rarest of too many as one."""
    named = [value or UNKNOWN for value in values]
    counts = Counter(value for value in named if value != UNKNOWN)
    if len(counts) <= MAX_VALUES:
        return named
    frequent = {value for value, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: MAX_VALUES - 1]}
    return [value if value in frequent or value == UNKNOWN else OTHER for value in named]


def _order(values: Sequence[str]) -> list[str]:
    """By name, pooled and unknown values last; nothing when all values are the same."""
    ordered = sorted(set(values), key=lambda value: (value in (OTHER, UNKNOWN), value == UNKNOWN, value))
    return ordered if len(ordered) > 1 else []


def against_rest(y: Ints, p: Floats, groups: Groups, inside: Mask) -> dict[str, dict[str, Any]]:
    """The difference "inside - outside" of each figure with interval and p, or the `reason` why it is not available."""
    p_values = {}
    for name in FIGURES:
        reason = _too_few(y, p.shape[1], groups, inside, name)
        if reason:
            missing = dict.fromkeys(("difference", "low", "high", "p", "p_holm"))
            p_values[name] = {**missing, "reason": reason}
        else:
            p_values[name] = _difference(influence(name, y, p, inside), influence(name, y, p, ~inside), groups)
    return p_values


def _too_few(y: Ints, k: int, groups: Groups, inside: Mask, name: str) -> str:
    for side, where in ((inside, "in it"), (~inside, "outside it")):
        if len(np.unique(groups.index[side])) < MIN_GROUPS:
            return f"fewer than {MIN_GROUPS} groups {where}"
        counts = np.bincount(y[side], minlength=k)
        positive, negative = (counts[1:], counts[:1]) if k == 2 else (counts, counts.sum() - counts)
        needed = {"sensitivity": (positive,), "specificity": (negative,), "auroc": (positive, negative)}[name]
        if min(int(count.min()) for count in needed) < MIN_COMPARED:
            return f"fewer than {MIN_COMPARED} cases of a kind {where}"
    return ""


def influence(name: str, y: Ints, p: Floats, side: Mask) -> Influence:
    """A figure of the cases of one side (N,): of class 1 with two classes, the mean over the classes with more."""
    k = p.shape[1]
    guess = p.argmax(axis=1)
    parts = []
    for c in [1] if k == 2 else range(k):
        own = y == c
        if name == "auroc":
            parts.append(_area(p[:, c], own, side))
        else:
            counted = own if name == "sensitivity" else ~own
            parts.append(_share((guess == c) == own, counted & side))
    return Influence(
        float(np.mean([part.value for part in parts])),
        float(np.mean([part.tested for part in parts])),
        sum(part.floor for part in parts) / len(parts) ** 2,
        np.mean([part.per_case for part in parts], axis=0),
    )


def _share(right: Mask, counted: Mask) -> Influence:
    n, hits = int(counted.sum()), int((right & counted).sum())
    share, shrunk = hits / n, (hits + 1) / (n + 2)
    return Influence(share, shrunk, shrunk * (1 - shrunk) / (n + 2), counted * (right - share) / n)


def _area(scores: Floats, positive: Mask, side: Mask) -> Influence:
    area, of_own, of_rest = components(scores[side], positive[side])
    per_case = np.zeros(len(scores))
    per_case[side & positive] = (of_own - area) / len(of_own)
    per_case[side & ~positive] = (of_rest - area) / len(of_rest)
    m, n = len(of_own), len(of_rest)
    shrunk = (area * min(m, n) + 1) / (min(m, n) + 2)
    return Influence(area, shrunk, _area_variance(shrunk, m, n), per_case)


def _area_variance(area: float, m: int, n: int) -> float:
    """Of an area over m positives and n negatives (Hanley & McNeil, Radiology 1982)."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    return (area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)) / (m * n)


def _difference(one: Influence, two: Influence, groups: Groups) -> dict[str, Any]:
    sums = np.bincount(groups.index, weights=one.per_case - two.per_case, minlength=groups.count)
    variance = max(float((sums**2).sum()) * groups.count / (groups.count - 1), one.floor + two.floor)
    error, centre = math.sqrt(variance), one.tested - two.tested
    reach = NORMAL.inv_cdf((1 + CONFIDENCE) / 2) * error
    p = math.erfc(abs(centre) / error / math.sqrt(2)) if error > 0 else float(centre == 0)
    return {
        "difference": one.value - two.value,
        "low": max(-1.0, centre - reach),
        "high": min(1.0, centre + reach),
        "p": p,
        "p_holm": None,
    }


def _corrected(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With `p_holm` over every test of every slice, and the figures that are `worse`."""
    tests = [test for entry in found for test in entry["against_rest"].values() if test["p"] is not None]
    for test, adjusted in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = adjusted
    for entry in found:
        entry["worse"] = [name for name, test in entry["against_rest"].items() if _worse(test)]
    return found


def _worse(test: Mapping[str, Any]) -> bool:
    return test["p_holm"] is not None and test["p_holm"] < ALPHA and test["high"] < 0
