"""The order in which unlabelled scans would teach a network most: unsure ones first, and unlike one another.

k-means++ seeding weighted by uncertainty, made greedy. Ash et al., "Deep Batch Active Learning by Diverse, Uncertain
Gradient Lower Bounds" (BADGE), ICLR 2020, seed k-means++ with gradients of the last layer, whose length is the
uncertainty and whose direction are the features; here the two factors are kept apart. Greedy farthest-first instead of a
draw, as Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018: no chance.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# N scans need N passes over (N, D) numbers: 500 scans of 512 features take about 0.1 s, 2,000 about 2 s.
LIMIT: Final = 2000


def diverse_order(features: npt.ArrayLike, uncertainty: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Features (N, D) and uncertainty (N,) in 0..1 -> the scans' indices (N,) from the most to the least instructive.

    The first is the most uncertain one; each next one has the largest uncertainty x squared distance to the nearest scan
    chosen before. Features are standardised first. Ties go to the more uncertain, then to the lower index; so scans
    without any distance left (copies of chosen ones, or certain ones) come last, the most uncertain first.
    `ValueError` when the arrays do not fit, are not finite, or have more than `LIMIT` rows.
    """
    x, sure = np.asarray(features, dtype=np.float64), np.asarray(uncertainty, dtype=np.float64)
    _check(x, sure)
    x = _standardised(x)
    nearest = np.full(len(x), np.inf)
    left = np.ones(len(x), dtype=bool)
    order: list[int] = []
    while left.any():
        gain = sure if not order else sure * nearest
        # Sums in another order differ in the last digits: copies must not be told apart by them.
        gain = np.where(left, gain.round(9), -1.0)
        candidates = np.flatnonzero(gain == gain.max())
        chosen = int(candidates[np.argmax(sure[candidates])])
        order.append(chosen)
        left[chosen] = False
        nearest = np.minimum(nearest, ((x - x[chosen]) ** 2).mean(axis=1))
    return np.asarray(order, dtype=np.int64)


def scores(features: npt.ArrayLike, uncertainty: npt.ArrayLike) -> Floats:
    """(N,) in 0..1, all different, highest first in `diverse_order`."""
    order = diverse_order(features, uncertainty)
    result = np.empty(len(order))
    result[order] = 1 - np.arange(len(order)) / max(len(order), 1)
    return result


def _standardised(x: Floats) -> Floats:
    if not len(x):
        return x
    spread = x.std(axis=0)
    return np.asarray((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _check(x: Floats, uncertainty: Floats) -> None:
    if x.ndim != 2 or uncertainty.shape != (len(x),):
        raise ValueError(f"features {x.shape} do not fit uncertainty {uncertainty.shape}")
    if len(x) > LIMIT:
        raise ValueError(f"at most {LIMIT} scans can be ordered, got {len(x)}")
    if not (np.isfinite(x).all() and np.isfinite(uncertainty).all()):
        raise ValueError("features and uncertainty must be finite")
