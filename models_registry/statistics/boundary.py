"""Intervals where the bootstrap has none to give: every resample of cases that are all right says 1, which is not certainty.

Shares and other means. None of n patients deviates; then with 97.5 % confidence less than a share 1 - 0.025^(1/n) of all
patients does. That is the interval of Clopper & Pearson (Biometrika 1934) at its ends, the two-sided "rule of three" (Hanley &
Lippman-Hand, JAMA 1983), with patients as the effective sample size (Korn & Graham, Survey Methodology 1998). It needs no
distribution: a patient who deviates may be at the other end of the figure's range.

Areas under the ROC curve. Newcombe's score interval (Statistics in Medicine 2006, method 5), made for areas of 1 too; the
sample sizes are the patients with positive and with negative cases.

Nothing here is used where the percentile interval has a width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models_registry.statistics.calibration import Floats, Ints
from models_registry.statistics.paired import NORMAL
from models_registry.statistics.resampling import CONFIDENCE, Groups
from models_registry.statistics.weighted import Mask

TAIL = (1 - CONFIDENCE) / 2
NO_WIDTH = 1e-12  # sums of floats differ in their last bits
BISECTIONS = 60
ALIASES = {"precision": "ppv", "recall": "sensitivity"}
Ends = tuple[float, float]


def has_width(ends: Ends) -> bool:
    return ends[1] - ends[0] > NO_WIDTH


def unanimous(value: float, n: int, top: float = 1.0) -> Ends:
    """The interval of a mean of values in 0..`top` to which each of n patients gives the same `value`."""
    share = 1 - TAIL ** (1 / n)
    return value - share * value, value + share * (top - value)


def unanimous_difference(value: float, n: int) -> Ends:
    """The same for a difference of two shares, in -1..1."""
    low, high = unanimous(value + 1, n, top=2.0)
    return low - 1, high - 1


def unanimous_p(value: float, n: int) -> float:
    """Two-sided p of "no difference" where each of n patients gives this difference: the level at which the interval above
    ends at 0. For a difference of 1 that is the sign test."""
    return min(1.0, 2 * (1 + abs(value)) ** -n)


def area_interval(area: float, positives: int, negatives: int) -> Ends:
    """Newcombe's method 5 for an area over that many independent positives and negatives (1 or more each)."""
    return _area_low(area, positives, negatives), 1 - _area_low(1 - area, positives, negatives)


def _area_low(area: float, m: int, n: int) -> float:
    """Where area - theta = z * sqrt(variance(theta)), the variance being Hanley & McNeil's with a mean sample size in it."""
    z, mean = NORMAL.inv_cdf(1 - TAIL), (m + n) / 2 - 1

    def beyond(theta: float) -> bool:
        shape = 1 + mean * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return area - theta > z * math.sqrt(theta * (1 - theta) / (m * n) * shape)

    low, high = 0.0, area
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) else (low, middle)
    return low


@dataclass(frozen=True)
class Carriers:
    """Who carries which figure: labels (N,), probabilities (N, K), groups (patients) and the refer threshold of a report."""

    y: Ints
    p: Floats
    groups: Groups
    refer_threshold: float | None = None

    def ends(self, name: str, point: Mapping[str, float]) -> Ends:
        """The interval of a figure of `weighted.figures`; `point`: the value of every figure by name."""
        name = ALIASES.get(name, name)
        k = self.p.shape[1]
        if name in ("accuracy", "ece", "coverage", "brier"):
            return unanimous(point[name], self.groups.count, top=2.0 if name == "brier" and k > 2 else 1.0)
        if name == "answered_accuracy":
            answered = self.p.max(axis=1) >= (self.refer_threshold or 0)
            return unanimous(point[name], self._patients(answered))
        if name == "balanced_accuracy" or (name == "sensitivity" and k > 2):
            return unanimous(point[name], self.of_every_class())
        if "/" in name:
            c, figure = name.split("/")
            return self._one_vs_rest(int(c), figure, point[name])
        classes = [1] if k == 2 else range(k)
        parts = [self._one_vs_rest(c, name, point[f"{c}/{name}"]) for c in classes]
        # The parts share their patients, so they may all be wrong together: the mean of their ends.
        return float(np.mean([low for low, _ in parts])), float(np.mean([high for _, high in parts]))

    def of_every_class(self) -> int:
        """The effective number of patients of a mean over classes: as many as the smallest class has, times the classes. A mean of
        shares over n patients each is as far from 1 as one share over all of them when none deviates."""
        k = int(self.p.shape[1])
        fewest = min(self._patients(self.y == c) for c in range(k))
        return min(self.groups.count, k * fewest)

    def of_both_kinds(self, c: int) -> int:
        """The patients of class c or of the rest, whichever are fewer."""
        return min(self._patients(self.y == c), self._patients(self.y != c))

    def _one_vs_rest(self, c: int, figure: str, value: float) -> Ends:
        own, predicted = self.y == c, self.p.argmax(axis=1) == c
        if figure == "auroc":
            return area_interval(value, self._patients(own), self._patients(~own))
        if figure == "f1":
            # F1 rises with tp / (tp + fp + fn), which is a share.
            low, high = unanimous(value / (2 - value), self._patients(own | predicted))
            return 2 * low / (1 + low), 2 * high / (1 + high)
        # Average precision by the number of positives: Boyd, Eng & Page (ECML PKDD 2013).
        carried = {"sensitivity": own, "specificity": ~own, "ppv": predicted, "npv": ~predicted, "auprc": own}[figure]
        return unanimous(value, self._patients(carried))

    def _patients(self, cases: Mask) -> int:
        return len(set(self.groups.index[cases].tolist()))
