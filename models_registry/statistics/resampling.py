"""Bootstrap over groups (patients), the intervals that result, and Holm's correction.

A resample draws whole groups with replacement and weights each case by how often its group was drawn (Field & Welsh,
"Bootstrapping clustered data", 2007). Intervals are percentile intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models_registry.statistics.calibration import Floats, Ints

MIN_GROUPS = 5
MIN_DEFINED = 0.5  # share of resamples in which a figure must exist for an interval to be given
CONFIDENCE = 0.95
CHUNK_CELLS = 2_000_000


@dataclass(frozen=True)
class Groups:
    """The group of each case: `index` int64 (N,) in 0..`count`-1."""

    index: Ints
    count: int

    @classmethod
    def of(cls, names: Sequence[object]) -> Groups:
        """Groups of N cases by name; equal text is the same group."""
        unique, index = np.unique(np.asarray([str(name) for name in names], dtype=str), return_inverse=True)
        return cls(index.astype(np.int64), len(unique))

    @property
    def repeat(self) -> bool:
        """Whether any group has more than one case."""
        return len(self.index) > self.count


def weights(groups: Groups, n_boot: int, seed: int) -> Iterator[Floats]:
    """Chunks (B, N) of bootstrap weights, `n_boot` rows in all; none where there are too few groups for an interval."""
    if groups.count < MIN_GROUPS:
        return
    rng = np.random.default_rng(seed)
    chunk = max(1, CHUNK_CELLS // max(len(groups.index), groups.count))
    for start in range(0, n_boot, chunk):
        share = np.full(groups.count, 1 / groups.count)
        drawn = rng.multinomial(groups.count, share, size=min(chunk, n_boot - start))
        yield drawn[:, groups.index].astype(np.float64)


def interval(drawn: Floats) -> tuple[float, float] | None:
    """The percentile interval of resampled values (B,); None when they are too often undefined (NaN)."""
    defined = drawn[np.isfinite(drawn)]
    if len(drawn) == 0 or len(defined) < MIN_DEFINED * len(drawn):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def p_value(drawn: Floats) -> float:
    """Two-sided p of "no difference" from resampled differences (B,), by inversion of the percentile interval.

    Never below 2 / (B + 1) (Davison & Hinkley, "Bootstrap Methods and their Application", 1997, 4.2)."""
    defined = drawn[np.isfinite(drawn)]
    fewer = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (1 + fewer) / (len(defined) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that keep the family-wise error (Holm, Scandinavian Journal of Statistics 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted
