"""Scans of several frames in a training. Each frame is a picture of its own; what is counted, balanced and judged are scans.

`Scans`: the number of the scan that each picture (N,) shows, rising from 0 without gaps; None where each picture is a scan.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models_registry.inference.frames import firsts

__all__ = ["Labels", "Scans", "counted_through", "drawn", "firsts", "of_scans", "one_each", "pictures_of", "renumbered"]

Labels = npt.NDArray[np.int64]
Scans = Labels | None


def of_scans(labels: Labels, scans: Scans) -> Labels:
    """The label of each scan."""
    return labels if scans is None else labels[firsts(scans)]


def pictures_of(scans: Scans, chosen: Labels) -> Labels:
    """The positions of all pictures of the chosen scans, in rising order; of the chosen ones as they are where each is a scan."""
    return chosen if scans is None else np.flatnonzero(np.isin(scans, chosen))


def counted_through(one: Labels, other: Labels) -> Labels:
    """The scans of two sets of pictures as of one: those of the other after those of the first."""
    return np.concatenate([one, other + one.max() + 1])


def renumbered(scans: Scans) -> Scans:
    """The same pictures counted from 0 without gaps, after some scans were taken out."""
    return None if scans is None else np.unique(scans, return_inverse=True)[1].astype(np.int64)


def one_each(scans: Labels) -> Labels:
    """One picture of each scan: the first of the first scan, the second of the second, so that all places are among them."""
    starts = firsts(scans)
    counts = np.diff(np.r_[starts, len(scans)])
    return np.asarray(starts + np.arange(len(starts)) % counts, dtype=np.int64)


def drawn(order: Labels, scans: Scans, rng: np.random.Generator) -> Labels:
    """Scans in an order -> one picture of each, drawn by chance each time that the scan comes."""
    if scans is None:
        return order
    starts = firsts(scans)
    counts = np.diff(np.r_[starts, len(scans)])
    return np.asarray(starts[order] + rng.integers(0, counts[order]), dtype=np.int64)
