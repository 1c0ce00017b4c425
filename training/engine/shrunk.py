"""Fits `Gauss`: class means and the Ledoit-Wolf covariance, without a matrix larger than the points need."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.covariance import ledoit_wolf_shrinkage

from models_registry.inference.knowing.gauss import MOST_AXES, Gauss

from .data import Labels

Floats = npt.NDArray[np.float64]
# A number that hardly varies would make every difference a large one.
LEAST_SCALE = 1e-6


def fit_gauss(points: npt.ArrayLike, labels: Labels) -> Gauss:
    """Points (N, D) and the class (N,) of each -> their `Gauss`; as many means as there are classes."""
    x = np.asarray(points, dtype=np.float64)
    centre, spread = x.mean(axis=0), x.std(axis=0)
    scale = np.where(spread > LEAST_SCALE, spread, 1.0)
    x = (x - centre) / scale
    classes = np.unique(labels)
    means = np.stack([x[labels == k].mean(axis=0) for k in classes])
    within = x - means[np.searchsorted(classes, labels)]
    variances, directions, average = _spectrum(within)
    shrinkage = float(ledoit_wolf_shrinkage(within, assume_centered=True))
    known = (1 - shrinkage) * variances + shrinkage * average
    kept = known[:MOST_AXES]
    left = x.shape[1] - len(kept)
    total = (1 - shrinkage) * variances[MOST_AXES:].sum() + left * shrinkage * average
    rest = float(total / left) if left else float(kept[-1])
    factors = np.sqrt(np.maximum(1 / rest - 1 / kept, 0))
    return Gauss(centre, scale, means, directions[:MOST_AXES] * factors[:, None], rest)


def _spectrum(within: Floats) -> tuple[Floats, Floats, float]:
    """Variances (R,), the largest first, their directions (R, D), and the mean variance of all D dimensions."""
    n, d = within.shape
    average = float((within**2).sum() / (n * d))
    if d <= n:
        values, vectors = np.linalg.eigh(within.T @ within / n)
        order = np.argsort(-values)
        return np.maximum(values[order], 0), vectors[:, order].T, average
    values, vectors = np.linalg.eigh(within @ within.T / n)
    order = np.argsort(-values)
    order = order[values[order] > 1e-10 * max(values.max(), 1e-300)]
    directions = (within.T @ vectors[:, order]).T
    return values[order], directions / np.linalg.norm(directions, axis=1, keepdims=True), average
