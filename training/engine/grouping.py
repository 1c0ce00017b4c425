"""Parts of equal make-up that no patient straddles, the same parts whenever they are asked for again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from .data import Labels


def group_parts(labels: Labels, groups: Sequence[str], parts: int, key: str) -> Labels:
    """The part (0..parts-1) of each scan (N,): the scans of a group share one, and every part gets its share of each class.

    Greedy: the largest groups go first, each to the part that has least of the classes it brings (as shares of the
    whole, so that a rare class weighs as much as a frequent one). Equal sizes go by the SHA-256 of `key` and the
    group, so the answer depends neither on the order of the scans nor on a random generator.
    """
    if len(groups) != len(labels):
        raise ValueError(f"{len(groups)} groups for {len(labels)} labels")
    if parts < 1:
        raise ValueError(f"parts must be at least 1, got {parts}")
    names, member_of = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    n_classes = int(labels.max()) + 1 if len(labels) else 0
    counts = np.zeros((len(names), n_classes))
    np.add.at(counts, (member_of, labels), 1)
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    order = sorted(range(len(names)), key=lambda g: (-counts[g].sum(), _digest(key, str(names[g]))))
    loads = np.zeros((parts, n_classes))
    chosen = np.zeros(len(names), dtype=np.int64)
    for group in order:
        crowding = loads @ shares[group]
        chosen[group] = np.lexsort((loads.sum(axis=1), crowding.round(12)))[0]
        loads[chosen[group]] += shares[group]
    return np.asarray(chosen[member_of], dtype=np.int64)


def _digest(key: str, group: str) -> str:
    return hashlib.sha256(f"{key}\0{group}".encode()).hexdigest()
