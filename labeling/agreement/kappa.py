"""Agreement beyond chance, from counts alone. Each function takes one table or a stack of them (bootstrap), and gives nan where
nothing is defined: all in one class, or nothing there.

Cohen 1960, 1968; its standard error after Fleiss, Cohen & Everitt 1969. Fleiss 1971, for unequal numbers of readers as the mean of
each scan's agreeing pairs against the shares of all reads."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
WEIGHTS: Final = ("none", "linear", "quadratic")
# Two-sided 95 %.
Z: Final = 1.959963984540054


def weights_of(kind: str, k: int) -> Floats:
    """How much two classes agree, by how far apart they stand in the order: 1 for the same, 0 for the ends."""
    if kind == "none" or k < 2:
        return np.eye(k)
    apart = np.abs(np.subtract.outer(np.arange(k), np.arange(k))) / (k - 1)
    return 1 - (apart if kind == "linear" else apart**2)


def cohen(tables: npt.ArrayLike, weights: Floats) -> Floats:
    """Kappa of each table (..., k, k) of two readers."""
    table = np.asarray(tables, dtype=np.float64)
    total = table.sum(axis=(-2, -1))
    rows, columns = table.sum(axis=-1), table.sum(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = (table * weights).sum(axis=(-2, -1)) / total
        chance = np.einsum("...i,ij,...j->...", rows, weights, columns) / total**2
        return _beyond(seen, chance)


def _beyond(seen: Floats, chance: Floats) -> Floats:
    gap = 1 - chance
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(gap > 1e-12, (seen - chance) / gap, np.nan)
    return found


def cohen_interval(table: npt.ArrayLike, weights: Floats) -> tuple[float, float] | None:
    """The asymptotic 95 % interval of one table; None where kappa is not defined."""
    counts = np.asarray(table, dtype=np.float64)
    total, kappa = counts.sum(), float(cohen(counts, weights))
    if not math.isfinite(kappa):
        return None
    p = counts / total
    of_rows, of_columns = weights @ p.sum(axis=0), p.sum(axis=1) @ weights
    chance = float(p.sum(axis=1) @ of_rows)
    spread = (p * (weights - (of_rows[:, None] + of_columns) * (1 - kappa)) ** 2).sum()
    variance = (spread - (kappa - chance * (1 - kappa)) ** 2) / (total * (1 - chance) ** 2)
    half = Z * math.sqrt(max(variance, 0.0))
    return kappa - half, kappa + half


def agreeing_pairs(counts: npt.ArrayLike) -> Floats:
    """Of each scan (n, k) of two reads or more, the share of pairs of reads that agree."""
    reads = np.asarray(counts, dtype=np.float64)
    m = reads.sum(axis=1)
    shares: Floats = ((reads**2).sum(axis=1) - m) / (m * (m - 1))
    return shares


def fleiss(scans: npt.ArrayLike, agreeing: npt.ArrayLike, reads: npt.ArrayLike) -> Floats:
    """From sums: how many scans, of their shares of agreeing pairs, and of reads in each class (..., k)."""
    given = np.asarray(reads, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = given / given.sum(axis=-1, keepdims=True)
        seen = np.asarray(agreeing, dtype=np.float64) / np.asarray(scans, dtype=np.float64)
        return _beyond(seen, (shares**2).sum(axis=-1))


def fleiss_of(counts: npt.ArrayLike) -> float:
    """Fleiss' kappa of scans (n, k), each of two reads or more."""
    reads = np.asarray(counts, dtype=np.float64)
    return float(fleiss(len(reads), agreeing_pairs(reads).sum(), reads.sum(axis=0)))


def wilson(successes: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    share, z2 = successes / n, Z * Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)
