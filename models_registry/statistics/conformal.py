"""Prediction sets: the classes that cannot be ruled out at a wanted rate, by split conformal prediction.

A class belongs to the set when its score 1 - p is at most its threshold (least ambiguous sets: Sadinle, Lei and
Wasserman, "Least Ambiguous Set-Valued Classifiers With Bounded Error Levels", JASA 2019). Coverage is what was measured
on calibration scans; on scans of another kind it may differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models_registry.statistics.calibration import Floats, Ints, class_name

Mask = npt.NDArray[np.bool_]
MARGINAL, BY_CLASS = "marginal", "class-conditional"
# A count that is whole up to rounding must not be rounded up to the next.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SetRule:
    """Thresholds (K,) on 1 - p, from `n` scans of each class, or `reason` why there are none (`thresholds` is None).

    Measured on scans that fitted no threshold: `coverage`, the share whose set holds the true class; `by_class`, the
    same of each class; `mean_size` and `singletons`, the mean number of classes and the share of sets of one.
    `note` says why nothing was measured.
    """

    thresholds: tuple[float, ...] | None
    n: tuple[int, ...]
    reason: str = ""
    coverage: float | None = None
    by_class: tuple[float | None, ...] | None = None
    mean_size: float | None = None
    singletons: float | None = None
    note: str = ""

    @property
    def available(self) -> bool:
        return self.thresholds is not None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SetRule:
        values = dict(data)
        thresholds, by_class = values.pop("thresholds"), values.pop("by_class")
        if thresholds is not None and not all(0 <= float(value) <= 1 for value in thresholds):
            raise ValueError("conformal thresholds must be in 0..1")
        return cls(
            thresholds=None if thresholds is None else tuple(float(value) for value in thresholds),
            n=tuple(int(count) for count in values.pop("n")),
            by_class=None if by_class is None else tuple(by_class),
            **values,
        )


@dataclass(frozen=True)
class Conformal:
    """Both rules for one `target` coverage: one rate over all scans, and the same rate within each class (Mondrian;
    Vovk, "Conditional validity of inductive conformal predictors", ACML 2012)."""

    target: float
    marginal: SetRule
    class_conditional: SetRule

    @property
    def n_classes(self) -> int:
        """K, or 0 when the rules do not agree about it."""
        rules = (self.marginal, self.class_conditional)
        counts = {len(part) for rule in rules for part in (rule.n, rule.thresholds, rule.by_class) if part is not None}
        return counts.pop() if len(counts) == 1 else 0

    @property
    def rule(self) -> tuple[str, SetRule] | None:
        """The rule that makes prediction sets: within each class where that is available, because an overall rate may be
        reached by missing a rare class every time."""
        if self.class_conditional.available:
            return BY_CLASS, self.class_conditional
        return (MARGINAL, self.marginal) if self.marginal.available else None

    def prediction_set(self, probabilities: npt.ArrayLike) -> Mask | None:
        """Which classes (N, K) belong to the set of each row of probabilities (N, K); None without thresholds."""
        return None if self.rule is None else members(probabilities, self.rule[1])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types only."""
        return {
            "target": self.target,
            "marginal": _plain(self.marginal),
            "class_conditional": _plain(self.class_conditional),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Conformal:
        """Inverse of `to_dict`; `ValueError` when incomplete or out of range."""
        try:
            target = float(data["target"])
            rules = [SetRule.from_dict(data[name]) for name in ("marginal", "class_conditional")]
        except (KeyError, TypeError) as error:
            raise ValueError(f"conformal is incomplete: {error}") from error
        if not 0 < target < 1:
            raise ValueError(f"conformal.target must be between 0 and 1, got {target}")
        return cls(target, *rules)


def _plain(rule: SetRule) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(rule).items()}


def members(probabilities: npt.ArrayLike, rule: SetRule) -> Mask:
    """Which classes (N, K) reach the rule's thresholds; a set may hold none. `ValueError` when the rule has none."""
    if rule.thresholds is None:
        raise ValueError(f"there are no conformal thresholds: {rule.reason}")
    return np.asarray(1 - np.asarray(probabilities, dtype=np.float64) <= np.asarray(rule.thresholds), dtype=np.bool_)


def fit_marginal(probabilities: Floats, labels: Ints, target: float, weights: Floats) -> SetRule:
    """Thresholds for a coverage of `target` over all scans, from probabilities (N, K), labels (N,) and weights (N,).

    With equal weights the threshold of every class is the ceil((n + 1) target)-th smallest score of the true class. With
    weights the scan to be graded counts as much as its supposed class: the threshold of class k is the smallest score q with
    sum of w_i over s_i <= q at least target (sum of w + w_k) (weighted conformal prediction under label shift; Podkopaev
    and Ramdas, UAI 2021).
    """
    k = probabilities.shape[1]
    counts = np.bincount(labels, minlength=k)
    scores = _scores(probabilities, labels)
    own = [float(weights[labels == c].mean()) if counts[c] else float("inf") for c in range(k)]
    thresholds = [_threshold(scores, weights, target, extra) for extra in own]
    if any(value is None for value in thresholds):
        reason = f"{len(labels)} calibration scans are too few for a coverage of {target:g}"
        return SetRule(None, tuple(counts.tolist()), reason)
    return SetRule(tuple(value for value in thresholds if value is not None), tuple(counts.tolist()))


def fit_class_conditional(probabilities: Floats, labels: Ints, target: float, classes: Sequence[str] = ()) -> SetRule:
    """Thresholds for a coverage of `target` within each class: of its n scans the ceil((n + 1) target)-th smallest score.

    Weights by class would change nothing here. Not available where that rank exceeds n: below `least_scans(target)`.
    `classes`: the names (K,) that the reason calls the classes by.
    """
    k = probabilities.shape[1]
    counts = tuple(np.bincount(labels, minlength=k).tolist())
    least = least_scans(target)
    scarce = min(range(k), key=lambda c: counts[c])
    if counts[scarce] < least:
        name = class_name(classes, scarce)
        reason = f"class {name} has {counts[scarce]} calibration scans, a coverage of {target:g} needs {least}"
        return SetRule(None, counts, reason)
    scores = _scores(probabilities, labels)
    thresholds = (_threshold(scores[labels == c], np.ones(counts[c]), target, 1.0) for c in range(k))
    return SetRule(tuple(value for value in thresholds if value is not None), counts)


def least_scans(target: float) -> int:
    """The smallest n for which ceil((n + 1) target) does not exceed n."""
    return math.ceil(target / (1 - target) - _ROUNDING)


def _scores(probabilities: Floats, labels: Ints) -> Floats:
    return np.asarray(1 - probabilities[np.arange(len(labels)), labels], dtype=np.float64)


def _threshold(scores: Floats, weights: Floats, target: float, extra: float) -> float | None:
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    wanted = target * (weights.sum() + extra) - _ROUNDING
    position = int(np.searchsorted(reached, wanted))
    return float(scores[order][position]) if position < len(scores) else None
