"""Evaluation of probabilities: figures with 95 % bootstrap intervals, clustered by group (patient), and with those of
`boundary` where every resample says the same.

Every figure is computed for many weightings of the cases at once: the point estimate is the weighting of ones, an
interval comes from the weightings that `resampling` draws.

Conventions. A case counts for the class with the highest probability. Two classes: class 1 is the positive one, and
sensitivity, specificity, PPV, NPV, F1, AUROC and AUPRC are its own; Brier is that of its probability (0 to 1). More
classes: these figures are one-vs-rest per class, and overall the unweighted mean over the classes ("macro"), as
scikit-learn's `average="macro"` and `multi_class="ovr"`; Brier is summed over the classes (0 to 2). AUPRC is average
precision. ECE is top-label, in ten bins of equal width, closed below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models_registry.statistics.availability import MIN_CASES, reasons
from models_registry.statistics.boundary import Carriers, has_width
from models_registry.statistics.calibration import N_BINS, Floats, Ints, reliability
from models_registry.statistics.curves import curves
from models_registry.statistics.resampling import CONFIDENCE, Groups, interval, weights
from models_registry.statistics.weighted import figures, weighted_auroc


def macro_auroc(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float | None:
    """AUROC of class 1 (two classes) or the one-vs-rest mean; None when a class has no case or every case."""
    y, p = np.asarray(labels, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    ones = np.ones((1, len(y)))
    chosen = [1] if p.shape[1] == 2 else range(p.shape[1])
    values = [float(weighted_auroc(p[:, k], y == k, ones)[0]) for k in chosen]
    mean = float(np.mean(values))
    return mean if np.isfinite(mean) else None


def evaluation_report(
    y_true: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: Sequence[object],
    classes: Sequence[str],
    *,
    n_boot: int = 1000,
    seed: int = 0,
    refer_threshold: float | None = None,
    min_cases: int = MIN_CASES,
    n_bins: int = N_BINS,
) -> dict[str, Any]:
    """Labels (N,), calibrated probabilities (N, K), group of each case (N), class names (K) -> a JSON-able report.

    Scalars are `{"value", "low", "high"}`; `value` None with a `reason` where fewer than `min_cases` cases carry
    it. With two classes class 1 is the positive one; with more, figures are one-vs-rest means. `ValueError` on bad shapes.
    """
    y, p = np.asarray(y_true, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    check(y, p, groups, classes)
    clusters = Groups.of(groups)
    figures_by_name = measured(
        y,
        p,
        clusters,
        classes,
        n_boot=n_boot,
        seed=seed,
        refer_threshold=refer_threshold,
        min_cases=min_cases,
        n_bins=n_bins,
    )
    overall = {name: entry for name, entry in figures_by_name.items() if "/" not in name}
    per_class = [
        {
            "class": label,
            "n": int((y == k).sum()),
            **{name.split("/")[1]: entry for name, entry in figures_by_name.items() if name.startswith(f"{k}/")},
        }
        for k, label in enumerate(classes)
    ]
    return {
        "n": len(y),
        "n_groups": clusters.count,
        "classes": list(classes),
        "positive_class": classes[1] if len(classes) == 2 else None,
        "averaging": "binary" if len(classes) == 2 else "macro",
        "confidence_level": CONFIDENCE,
        "n_boot": n_boot,
        "refer_threshold": refer_threshold,
        **overall,
        "confusion_matrix": _confusion(y, p),
        "reliability": [b.to_dict() for b in reliability(p, y, n_bins)] if len(y) else [],
        "curves": curves(y, p, classes, reasons(y, p, refer_threshold, classes, min_cases)),
        "per_class": per_class,
    }


def measured(
    y: Ints,
    p: Floats,
    groups: Groups,
    classes: Sequence[str],
    *,
    n_boot: int,
    seed: int,
    refer_threshold: float | None = None,
    min_cases: int = MIN_CASES,
    n_bins: int = N_BINS,
) -> dict[str, dict[str, Any]]:
    """Every figure of `weighted.figures` as `{"value", "low", "high"}`, with a `reason` where one is missing."""
    point = figures(y, p, np.ones((1, len(y))), refer_threshold, n_bins)
    parts = [figures(y, p, w, refer_threshold, n_bins) for w in weights(groups, n_boot, seed)]
    resamples = {name: np.concatenate([part[name] for part in parts]) for name in point} if parts else {}
    why = reasons(y, p, refer_threshold, classes, min_cases)
    values = {name: float(drawn[0]) for name, drawn in point.items()}
    carriers = Carriers(y, p, groups, refer_threshold)
    return {
        name: _scalar(name, values, resamples.get(name), why.get("*") or why.get(name), carriers) for name in values
    }


def check(y: Ints, p: Floats, groups: Sequence[object], classes: Sequence[str]) -> None:
    """`ValueError` when labels (N,), probabilities (N, K), groups (N) and classes (K) do not fit together."""
    if p.ndim != 2 or p.shape != (len(y), len(classes)) or len(classes) < 2:
        raise ValueError(f"probabilities must be ({len(y)}, {len(classes)}) with at least 2 classes, got {p.shape}")
    if len(groups) != len(y):
        raise ValueError(f"groups must have one entry per case: {len(groups)} for {len(y)}")
    if len(y) and (y.min() < 0 or y.max() >= len(classes)):
        raise ValueError(f"labels must be in 0..{len(classes) - 1}")
    if not np.isfinite(p).all():
        raise ValueError("probabilities must be finite")


def _confusion(y: Ints, p: Floats) -> list[list[int]]:
    """Rows: true class; columns: predicted class."""
    k = p.shape[1]
    counts = np.bincount(y * k + p.argmax(axis=1), minlength=k * k) if len(y) else np.zeros(k * k, dtype=np.int64)
    return [[int(c) for c in row] for row in counts.reshape(k, k)]


def _scalar(
    name: str, values: Mapping[str, float], drawn: Floats | None, reason: str | None, carriers: Carriers
) -> dict[str, Any]:
    value = values[name]
    if reason or not np.isfinite(value):
        return {"value": None, "low": None, "high": None, "reason": reason or "it is not defined for these cases"}
    ends = interval(drawn) if drawn is not None else None
    if ends is None:
        return {
            "value": value,
            "low": None,
            "high": None,
            "reason": f"no interval: only {carriers.groups.count} groups",
        }
    low, high = ends if has_width(ends) else carriers.ends(name, values)
    return {"value": value, "low": low, "high": high}
