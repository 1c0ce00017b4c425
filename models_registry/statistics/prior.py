"""How frequent the classes are: among the scans a model learned from, among those it was calibrated on, and where it is used.

Correction to another prevalence: Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a
priori probabilities", Neural Computation 2002. It holds where only the frequency of the classes differs, not their look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models_registry.statistics.calibration import Floats, Ints, softmax

TOLERANCE = 1e-6
Shares = tuple[float, ...]


@dataclass(frozen=True)
class Prior:
    """Shares of the K classes, in class order; None where they are not known.

    `training` and `calibration` are counted. `sampling` is what the raw scores carry: the shares of the classes
    among the scans as training showed them, equal when it is class-balanced. `expected` is what the project states
    about the scans to be graded.
    """

    training: Shares
    sampling: Shares
    calibration: Shares | None = None
    expected: Shares | None = None

    @property
    def corrects(self) -> bool:
        """Whether probabilities are moved to the expected prevalence."""
        return self.expected is not None and self.calibration is not None

    @property
    def n_classes(self) -> int:
        """K, or 0 when the numbers of shares differ."""
        counts = {len(shares) for shares in (self.training, self.sampling, self.calibration, self.expected) if shares}
        return counts.pop() if len(counts) == 1 else 0

    def to_dict(self) -> dict[str, Any]:
        return {name: None if shares is None else list(shares) for name, shares in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Prior:
        """Inverse of `to_dict`; `ValueError` names the shares that are missing, negative or do not sum to 1."""
        try:
            return cls(
                _shares("training", data["training"]),
                _positive("sampling", data["sampling"]),
                None if data["calibration"] is None else _positive("calibration", data["calibration"]),
                None if data["expected"] is None else _positive("expected", data["expected"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"prior is incomplete: {error}") from error


def _shares(name: str, values: Any) -> Shares:
    shares = tuple(float(value) for value in values)
    if not all(0 <= share <= 1 for share in shares) or abs(math.fsum(shares) - 1) > TOLERANCE:
        raise ValueError(f"prior.{name} must be shares in 0..1 that sum to 1")
    return shares


def _positive(name: str, values: Any) -> Shares:
    shares = _shares(name, values)
    if min(shares) <= 0:
        raise ValueError(f"prior.{name} must be above 0 for every class")
    return shares


def shares_of(labels: Ints, n_classes: int) -> Shares:
    """The share of each class (K,) among labels (N,)."""
    counts = np.bincount(labels, minlength=n_classes)
    return tuple(float(count) / len(labels) for count in counts)


def corrected(probabilities: npt.ArrayLike, prior: Prior | None) -> Floats:
    """Probabilities (N, K) at the expected prevalence: p'_k = p_k e_k / s_k, renormalised (`sampling` s, `expected` e).

    They stay as they are where no prevalence is expected, or where there is no calibration to correct.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if prior is None or prior.expected is None or prior.calibration is None:
        return p
    moved = p * (np.asarray(prior.expected) / np.asarray(prior.sampling))
    return np.asarray(moved / moved.sum(axis=1, keepdims=True), dtype=np.float64)


def served_probabilities(logits: npt.ArrayLike, temperature: float | None, prior: Prior | None) -> Floats:
    """What a model says of logits (N, K): softmax of the scaled logits at the expected prevalence. Without a temperature
    the plain softmax, which is not a confidence and which nothing corrects."""
    if temperature is None:
        return softmax(logits)
    return corrected(softmax(logits, temperature), prior)


def case_weights(labels: Ints, prior: Prior | None) -> Floats:
    """Weights (N,) that give calibration scans the expected prevalence: w_i = e_y / c_y, all 1 where none is expected."""
    if prior is None or prior.expected is None or prior.calibration is None:
        return np.ones(len(labels))
    return np.asarray((np.asarray(prior.expected) / np.asarray(prior.calibration))[labels], dtype=np.float64)
