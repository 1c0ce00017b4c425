"""ROC and precision-recall curves as few points, for a report that is stored and drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models_registry.statistics.calibration import Floats, Ints
from models_registry.statistics.weighted import Mask, cumulative

MAX_POINTS = 200
DECIMALS = 5  # of a stored point: finer than any chart, and lists of reports stay small


def roc_points(scores: Floats, positive: Mask, max_points: int = MAX_POINTS) -> Floats:
    """(P ≤ `max_points`, 2): false and true positive rate from (0, 0) to (1, 1), without points on a straight line.

    Equal to `sklearn.metrics.roc_curve` while that has no more points. Both kinds of case must be there."""
    hits, misses = cumulative(scores, positive, np.ones((1, len(scores))))
    fpr, tpr = np.append(0, misses[0] / misses[0, -1]), np.append(0, hits[0] / hits[0, -1])
    corner = np.append(True, np.append(_turns(misses[0], hits[0]), True))
    return _thinned(np.column_stack((fpr, tpr))[corner], max_points)


def pr_points(scores: Floats, positive: Mask, max_points: int = MAX_POINTS) -> Floats:
    """(P ≤ `max_points`, 2): recall and precision from (0, 1), a point by convention, to (1, share of positives).

    Equal to `sklearn.metrics.precision_recall_curve`, the other way round, while that has no more points. At least one
    positive must be there."""
    hits, misses = cumulative(scores, positive, np.ones((1, len(scores))))
    recall, precision = hits[0] / hits[0, -1], hits[0] / (hits[0] + misses[0])
    points = np.vstack(([[0.0, 1.0]], np.column_stack((recall, precision))))
    return _thinned(points, max_points)


def curves(
    y: Ints, p: Floats, classes: Sequence[str], reasons: Mapping[str, str], max_points: int = MAX_POINTS
) -> dict[str, list[dict[str, Any]]]:
    """`{"roc": […], "pr": […]}` with `{"class", "points": [[x, y], …]}` each: of class 1 with two classes, one-vs-rest
    of every class with more. Where `reasons` withholds the area, `points` is empty and `reason` says why."""
    lines: dict[str, list[dict[str, Any]]] = {"roc": [], "pr": []}
    for c in [1] if len(classes) == 2 else range(len(classes)):
        own = y == c
        for kind, name, draw in (("roc", "auroc", roc_points), ("pr", "auprc", pr_points)):
            reason = reasons.get("*") or reasons.get(f"{c}/{name}")
            if not 0 < own.sum() < len(y):
                reason = reason or "cases of the class and of the rest are needed"
            points = [] if reason else draw(p[:, c], own, max_points).round(DECIMALS).tolist()
            entry = {"class": classes[c], "prevalence": float(own.mean()) if len(y) else None, "points": points}
            lines[kind].append({**entry, "reason": reason} if reason else entry)
    return lines


def _turns(x: Floats, y: Floats) -> Mask:
    """Whether the curve from (0, 0) bends at each point but the last, by exact counts."""
    dx, dy = np.diff(x, prepend=0), np.diff(y, prepend=0)
    return np.asarray(dx[:-1] * dy[1:] != dy[:-1] * dx[1:])


def _thinned(points: Floats, max_points: int) -> Floats:
    """Points spread evenly along the curve's length; both ends stay as they are."""
    if len(points) <= max_points:
        return points
    length = np.append(0, np.cumsum(np.hypot(*np.diff(points, axis=0).T)))
    wanted = np.linspace(0, length[-1], max_points)
    chosen = np.unique(np.append(np.searchsorted(length, wanted[:-1]), len(points) - 1))
    return np.asarray(points[chosen], dtype=np.float64)
