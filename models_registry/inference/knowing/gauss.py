"""Distance from a set of known points: Mahalanobis with a mean for each class and one shared, shrunk covariance.

Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", NeurIPS 2018; the shrinkage is that of
Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# Directions kept of a covariance; the variance of all others together is one number. It is exact up to this many points or
# dimensions, and keeps bundles of large networks small.
MOST_AXES = 512


@dataclass(frozen=True)
class Gauss:
    """`centre`, `scale` (D): standardise a point. `means` (K, D): of the classes, standardised. `axes` (R, D): main directions v
    of the shared covariance, each times sqrt(1 / rest - 1 / variance); `rest`: the variance of all other directions.

    With these the squared distance is |x|^2 / rest - |axes x|^2: no matrix of D x D is needed.
    """

    centre: Floats
    scale: Floats
    means: Floats
    axes: Floats
    rest: float

    def distances(self, points: npt.ArrayLike) -> Floats:
        """Points (N, D) -> the distance (N,) from the nearest class, in standard deviations per dimension."""
        x = (np.asarray(points, dtype=np.float64) - self.centre) / self.scale
        squares = [self._squared(x - mean) for mean in self.means]
        return np.asarray(np.sqrt(np.maximum(np.min(squares, axis=0), 0) / x.shape[1]))

    def _squared(self, x: Floats) -> Floats:
        return np.asarray((x**2).sum(axis=1) / self.rest - ((x @ self.axes.T) ** 2).sum(axis=1))
