"""A share that is looked at again and again: bets that it fell below what was promised, and an interval that holds all the while.

**The bet.** While each new case is right with a probability of at least `promised`, given the cases before it, a capital of 1 that
bets on less reaches 1,000 with a probability of at most 1 in 1,000 (Ville 1939), however often one looks. A case that is right
multiplies it by q / p, one that is wrong by (1 - q) / (1 - p), p the promise and q < p what is bet on: the likelihood ratio,
fair at p and losing above it. q is not known, nor when the fall began: the capital is spread over some q and over starts
(compare Shin, Ramdas & Rinaldo, "E-detectors", 2023); a mean of fair bets is one.

**The interval.** The shares that the same kind of bet, on either side of them and mixed by the Beta(1/2, 1/2) distribution, has not
ruled out (Robbins, "Statistical methods related to the law of the iterated logarithm", 1970): wider than one for a fixed number of
cases, and true at every number of them at once.

Cases of one patient are not independent: count the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models_registry.statistics.availability import MIN_CASES

ALARM: Final = 1000.0
# What is bet on, as parts of the promise: from "almost as promised" to "next to never right".
PARTS: Final = (0.97, 0.94, 0.9, 0.85, 0.78, 0.7, 0.6, 0.45, 0.25)
# A start in so many cases, the k-th with a part of 1 / ((k + 1) (k + 2)) of the capital: together no more than all of it.
EVERY: Final = 10
# A promise of 1 would be broken by one case, whatever went before.
HIGHEST: Final = 0.995
_GRID: Final = np.linspace(0.0005, 0.9995, 1999)


@dataclass(frozen=True)
class Fall:
    """Where the bet stands after `n` cases: the log of its capital, the highest it has been, and the case (from 1) at which it
    reached ALARM, if it did."""

    n: int
    promised: float
    log_capital: float
    highest: float
    alarm_at: int | None


def fall(right: Sequence[bool], promised: float) -> Fall:
    """The whole bet on the cases `right` (N,), in their order, against a promised share in 0..1."""
    p = min(max(promised, 1 - HIGHEST), HIGHEST)
    bets = p * np.asarray(PARTS)
    flags = np.asarray(right, dtype=bool)
    gains = np.where(flags[:, None], np.log(bets / p), np.log((1 - bets) / (1 - p)))
    course = _course(np.vstack([np.zeros(len(PARTS)), np.cumsum(gains, axis=0)]))
    reached = np.flatnonzero(course >= math.log(ALARM))
    return Fall(
        n=len(flags),
        promised=promised,
        log_capital=float(course[-1]),
        highest=float(course.max()),
        alarm_at=int(reached[0]) if len(reached) else None,
    )


def _course(sums: Any) -> Any:
    """The log of the capital after 0, 1, … cases, from each bet's sum of logs until then (N + 1, bets)."""
    n = len(sums)
    parts, kept = [], 1.0
    for place, start in enumerate(range(0, n, EVERY)):
        weight = 1 / ((place + 1) * (place + 2))
        kept -= weight
        since = np.zeros(n)
        since[start:] = np.logaddexp.reduce(sums[start:] - sums[start], axis=1) - math.log(sums.shape[1])
        parts.append(since + math.log(weight))
    # What is kept for starts to come is still there.
    parts.append(np.full(n, math.log(max(kept, 1e-12))))
    return np.logaddexp.reduce(parts, axis=0)


def always(right: Sequence[bool], level: float = 0.95) -> dict[str, Any]:
    """`{"value", "low", "high", "n"}` of a share, the interval true with this probability at every number of cases at once; no
    value but a `reason` for fewer than MIN_CASES."""
    n, hits = len(right), sum(map(bool, right))
    if n < MIN_CASES:
        reason = f"only {n} cases, at least {MIN_CASES} are needed"
        return {"value": None, "low": None, "high": None, "n": n, "reason": reason}
    mixed = _log_beta(hits + 0.5, n - hits + 0.5) - _log_beta(0.5, 0.5)
    against = mixed - hits * np.log(_GRID) - (n - hits) * np.log1p(-_GRID)
    left = _GRID[against < -math.log(1 - level)]
    low = 0.0 if hits == 0 else float(left[0])
    high = 1.0 if hits == n else float(left[-1])
    return {"value": hits / n, "low": low, "high": high, "n": n}


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
