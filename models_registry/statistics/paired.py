"""Tests of two classifiers on the same cases: DeLong for areas under the ROC curve, McNemar for the share that is right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from models_registry.statistics.calibration import Floats
from models_registry.statistics.resampling import CONFIDENCE
from models_registry.statistics.weighted import Mask

NORMAL = NormalDist()


@dataclass(frozen=True)
class DeLong:
    """Two areas, the standard error of `first - second`, its normal interval and two-sided p.

    The interval is None when the variance is zero, and so is `p` when the areas differ then (one always right, the other
    never): no test."""

    first: float
    second: float
    error: float
    low: float | None
    high: float | None
    p: float | None

    def to_dict(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "standard_error": self.error, "p": self.p}


def delong(positive: Mask, first: Floats, second: Floats) -> DeLong:
    """Areas of two scores (N,) of the same cases, `positive` (N,), and the test that they are equal.

    DeLong, DeLong & Clarke-Pearson, Biometrics 1988, in the mid-rank form of Sun & Xu, IEEE Signal Processing Letters
    2014. Cases count as independent. `ValueError` with fewer than two positives or two negatives.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if m < 2 or n < 2:
        raise ValueError(f"DeLong's test needs two positives and two negatives, got {m} and {n}")
    parts = [components(scores, positive) for scores in (first, second)]
    areas = [float(area) for area, _, _ in parts]
    contrast = [a - b for a, b in zip(parts[0][1:], parts[1][1:], strict=True)]
    # The variance of a difference is that of the differences of the components: no cancellation of covariances.
    error = math.sqrt(contrast[0].var(ddof=1) / m + contrast[1].var(ddof=1) / n)
    difference = areas[0] - areas[1]
    reach = NORMAL.inv_cdf((1 + CONFIDENCE) / 2) * error
    low, high = (difference - reach, difference + reach) if error > 0 else (None, None)
    return DeLong(areas[0], areas[1], error, low, high, _two_sided(difference, error))


def _two_sided(difference: float, error: float) -> float | None:
    if error > 0:
        return math.erfc(abs(difference / error) / math.sqrt(2))
    return 1.0 if difference == 0 else None


def components(scores: Floats, positive: Mask) -> tuple[float, Floats, Floats]:
    """The area, and the structural components of the positives (m,) and of the negatives (n,)."""
    own, rest = scores[positive], scores[~positive]
    ranks = midranks(scores)
    of_own = (ranks[positive] - midranks(own)) / len(rest)
    of_rest = 1 - (ranks[~positive] - midranks(rest)) / len(own)
    return float(of_own.mean()), of_own, of_rest


def midranks(values: Floats) -> Floats:
    """Ranks from 1, of equal values (N,) their mean."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[index], dtype=np.float64)


@dataclass(frozen=True)
class McNemar:
    """Cases that only one of two got right, with the exact and the mid-p two-sided p-value."""

    only_first: int
    only_second: int
    p_exact: float
    p_mid: float


def mcnemar(first_right: Mask, second_right: Mask) -> McNemar:
    """McNemar's exact conditional test and its mid-p form, which keeps its level without being as blunt (Fagerland,
    Lydersen & Laake, BMC Medical Research Methodology 2013). Right or wrong (N,) each; cases count as independent."""
    b, c = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    n, fewer = b + c, min(b, c)
    terms = [_binomial(n, k) for k in range(fewer + 1)]
    exact = min(1.0, 2 * math.fsum(terms))
    # As extreme as what was seen counts half; with b = c that is the middle term alone, else one term on each side.
    mid = 1 - terms[-1] / 2 if b == c else 2 * math.fsum(terms) - terms[-1]
    return McNemar(b, c, exact, mid if n else 1.0)


def _binomial(n: int, k: int) -> float:
    """P(k of n) at one half, by logarithms: n may be large."""
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))
