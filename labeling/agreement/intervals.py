"""Intervals by drawing scans again: all scans of a patient together, where the patient is known. Every figure is a function of sums
over scans, so that a draw is one matrix product."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from labeling.agreement.kappa import Floats, wilson

DRAWS: Final = 1000
# Draws computed at once: so many rows of weights are in memory.
AT_ONCE: Final = 50
# Fewer scans, or patients, say nothing of others.
FEWEST: Final = 10
SEED: Final = 20_000
TOO_FEW: Final = f"fewer than {FEWEST} scans"
TOO_FEW_PATIENTS: Final = f"scans of fewer than {FEWEST} patients"
ONE_CLASS: Final = "all in one class"
TOO_RARE: Final = "seen too seldom"
ALL_AGREE: Final = "all agree, so nothing varies"


@dataclass(frozen=True)
class Figure:
    """`value` None: not available, and `why`. Without an interval `why` says what keeps it away."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    why: str = ""


def share(agreed: Sequence[bool], clusters: Sequence[str]) -> Figure:
    """A share of scans. Where all agree, or patients are few, by the number of patients rather than of scans."""
    n = len(agreed)
    if n == 0:
        return Figure(None, why="nothing was read")
    value = sum(agreed) / n
    groups = len(set(clusters))
    if groups < FEWEST or value in (0.0, 1.0):
        return Figure(value, *wilson(value * groups, groups), n=n)
    sums = np.column_stack([np.asarray(agreed, dtype=np.float64), np.ones(n)])
    ends = drawn(sums, clusters, lambda total: total[:, 0] / total[:, 1])
    return Figure(value, *(ends or wilson(value * groups, groups)), n=n)


def figure(sums: Floats, clusters: Sequence[str], statistic: Callable[[Floats], Floats]) -> Figure:
    """A kappa from sums over scans (n, d), with its interval."""
    n = len(sums)
    if n < FEWEST:
        return Figure(None, n=n, why=TOO_FEW)
    value = float(statistic(sums.sum(axis=0)[None])[0])
    if not np.isfinite(value):
        return Figure(None, n=n, why=ONE_CLASS)
    if len(set(clusters)) < FEWEST:
        return Figure(value, n=n, why=TOO_FEW_PATIENTS)
    ends = drawn(sums, clusters, statistic)
    if ends is None or ends[0] == ends[1]:
        return Figure(value, n=n, why=ALL_AGREE if value > 1 - 1e-9 else TOO_RARE)
    return Figure(value, *ends, n=n)


def drawn(sums: Floats, clusters: Sequence[str], statistic: Callable[[Floats], Floats]) -> tuple[float, float] | None:
    """The 2.5 and 97.5 percentiles over draws of whole clusters; None where one draw in ten defines nothing."""
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    groups = int(index.max()) + 1
    parts = np.zeros((groups, sums.shape[1]))
    np.add.at(parts, index, sums)
    times, found = _times(groups), []
    for start in range(0, DRAWS, AT_ONCE):
        found.append(statistic(times[start : start + AT_ONCE].astype(np.float64) @ parts))
    values = np.concatenate(found)
    defined = values[np.isfinite(values)]
    if len(defined) < 0.9 * DRAWS:
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


@lru_cache(maxsize=1)
def _times(groups: int) -> npt.NDArray[np.uint8]:
    """How often each group was drawn, in each of the draws (DRAWS, groups): the same for all figures of as many groups."""
    random = np.random.default_rng(SEED)
    places = np.arange(AT_ONCE)[:, None] * groups
    found = np.empty((DRAWS, groups), dtype=np.uint8)
    for start in range(0, DRAWS, AT_ONCE):
        picked = random.integers(0, groups, size=(AT_ONCE, groups)) + places
        times = np.bincount(picked.ravel(), minlength=AT_ONCE * groups).reshape(AT_ONCE, groups)
        # None is drawn 255 times, unless there are so few that all are.
        found[start : start + AT_ONCE] = np.minimum(times, 255)
    return found
