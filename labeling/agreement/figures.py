"""The figures of agreement from what was read: no database, no names."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from labeling.agreement import kappa
from labeling.agreement.intervals import Figure, figure, share
from labeling.agreement.kappa import Floats


@dataclass(frozen=True)
class Scan:
    """`said`: what each reader said, as the place of the class. `cluster`: scans of one patient share it."""

    cluster: str
    said: dict[int, int]


@dataclass(frozen=True)
class Pair:
    """Two readers on the scans that both read. `confusion`: rows as the first said, columns as the second."""

    readers: tuple[int, int]
    percent: Figure
    kappa: Figure
    asymptotic: tuple[float, float] | None
    confusion: list[list[int]]


def of_several(scans: Sequence[Scan], k: int) -> tuple[Figure, Figure]:
    """The share of agreeing pairs of reads, and Fleiss' kappa."""
    counts = _counts(scans, k)
    clusters = [scan.cluster for scan in scans]
    pairs = kappa.agreeing_pairs(counts) if len(scans) else np.zeros(0)
    if len(scans) and np.isin(pairs, (0.0, 1.0)).all():
        percent = share([value == 1.0 for value in pairs], clusters)
    else:
        percent = figure(
            np.column_stack([pairs, np.ones(len(pairs))]), clusters, lambda total: total[:, 0] / total[:, 1]
        )
    return percent, _fleiss(counts, clusters)


def of_class(scans: Sequence[Scan], k: int, c: int) -> Figure:
    """Fleiss' kappa of one class against all others."""
    counts = _counts(scans, k)
    alone = counts[:, c] if len(scans) else np.zeros(0)
    both = np.column_stack([alone, counts.sum(axis=1) - alone]) if len(scans) else np.zeros((0, 2))
    return _fleiss(both, [scan.cluster for scan in scans])


def _counts(scans: Sequence[Scan], k: int) -> Floats:
    counts = np.zeros((len(scans), k))
    for row, scan in enumerate(scans):
        for c in scan.said.values():
            counts[row, c] += 1
    return counts


def _fleiss(counts: Floats, clusters: Sequence[str]) -> Figure:
    pairs = kappa.agreeing_pairs(counts) if len(counts) else np.zeros(0)
    sums = np.column_stack([np.ones(len(counts)), pairs, counts])
    return figure(sums, clusters, lambda total: kappa.fleiss(total[:, 0], total[:, 1], total[:, 2:]))


def of_pairs(scans: Sequence[Scan], k: int, kind: str, of: int | None = None) -> list[Pair]:
    """Each two readers who read a scan in common, most scans first; `of`: those with this reader."""
    readers = sorted({reader for scan in scans for reader in scan.said})
    found = []
    for first, second in combinations(readers, 2):
        if of is not None and of not in (first, second):
            continue
        both = [scan for scan in scans if first in scan.said and second in scan.said]
        if both:
            found.append(_pair(both, (first, second), k, kind))
    return sorted(found, key=lambda pair: -pair.percent.n)


def _pair(scans: Sequence[Scan], readers: tuple[int, int], k: int, kind: str) -> Pair:
    weights = kappa.weights_of(kind, k)
    said = [(scan.said[readers[0]], scan.said[readers[1]]) for scan in scans]
    clusters = [scan.cluster for scan in scans]
    cells = np.zeros((len(said), k * k))
    cells[np.arange(len(said)), [a * k + b for a, b in said]] = 1
    table = cells.sum(axis=0).reshape(k, k)
    beyond = figure(cells, clusters, lambda total: kappa.cohen(total.reshape(-1, k, k), weights))
    return Pair(
        readers,
        share([a == b for a, b in said], clusters),
        beyond,
        kappa.cohen_interval(table, weights) if beyond.value is not None else None,
        table.astype(int).tolist(),
    )
