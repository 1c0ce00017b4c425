"""Confident learning: which labels a network contradicts that never saw their scans.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of Artificial
Intelligence Research 70, 2021: the off-diagonal of the confident joint, ranked by normalised margin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .data import Labels

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Doubt:
    """Scan ``index`` is labelled ``given`` and looks like ``suggested``. ``margin`` in 0..1: the probability of the most
    probable other class less that of the given one, the paper's normalised margin with its sign turned round."""

    index: int
    given: int
    suggested: int
    given_probability: float
    suggested_probability: float
    margin: float


def class_thresholds(probabilities: Floats, labels: Labels) -> Floats:
    """(K,) the mean probability of each class among the scans that carry it: how sure the network is of it when the label
    says it too (equation 2). A class that no scan carries can never be reached."""
    k = probabilities.shape[1]
    means = [probabilities[labels == c, c].mean() if (labels == c).any() else np.inf for c in range(k)]
    return np.asarray(means, dtype=np.float64)


def confident_classes(probabilities: Floats, labels: Labels) -> Labels:
    """(N,) the most probable of the classes whose threshold a scan reaches (equation 1); -1 where it reaches none."""
    reached = probabilities >= class_thresholds(probabilities, labels)
    classes = np.where(reached, probabilities, -1.0).argmax(axis=1)
    return np.where(reached.any(axis=1), classes, -1)


def confident_joint(probabilities: Floats, labels: Labels) -> npt.NDArray[np.int64]:
    """(K, K) how many scans labelled i are confidently j."""
    k = probabilities.shape[1]
    classes = confident_classes(probabilities, labels)
    joint = np.zeros((k, k), dtype=np.int64)
    np.add.at(joint, (labels[classes >= 0], classes[classes >= 0]), 1)
    return joint


def find(probabilities: Floats, labels: Labels) -> list[Doubt]:
    """The doubted labels, worst first: out-of-fold probabilities (N, K) against labels (N,).

    A scan of the joint's off-diagonal counts only where its label is not the most probable class all the same: thresholds
    of classes that the network knows badly are low. Equal margins go by index. ``ValueError`` when the arrays do not fit,
    or a probability is not finite.
    """
    _check(probabilities, labels)
    classes = confident_classes(probabilities, labels)
    rows = np.arange(len(labels))
    given = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    margins = others.max(axis=1) - given
    chosen = np.flatnonzero((classes >= 0) & (classes != labels) & (margins > 0))
    doubts = [
        Doubt(
            index=int(row),
            given=int(labels[row]),
            suggested=int(classes[row]),
            given_probability=float(given[row]),
            suggested_probability=float(probabilities[row, classes[row]]),
            margin=float(margins[row]),
        )
        for row in chosen
    ]
    return sorted(doubts, key=lambda doubt: (-doubt.margin, doubt.index))


def _check(probabilities: Floats, labels: Labels) -> None:
    if probabilities.ndim != 2 or len(probabilities) != len(labels):
        raise ValueError(f"probabilities {probabilities.shape} do not fit {len(labels)} labels")
    if not np.isfinite(probabilities).all():
        raise ValueError("the probabilities are not finite")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < probabilities.shape[1]:
        raise ValueError(f"labels must be in 0..{probabilities.shape[1] - 1}")
