"""Classification figures for many weightings of the same cases at once.

Shapes: N cases, K classes, B weightings; `weights` is float64 (B, N) and every result is float64 (B,), NaN where a
figure is not defined. With all weights 1 the figures are scikit-learn's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models_registry.statistics.calibration import Floats, Ints, bin_index

Mask = npt.NDArray[np.bool_]


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return np.asarray(np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom > 0))


def cumulative(scores: Floats, positive: Mask, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of positives and of negatives at or above each distinct score, highest score first: two (B, D) arrays."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    sorted_weights = weights[:, order]
    hits = np.cumsum(sorted_weights * positive[order], axis=1)[:, last]
    total = np.cumsum(sorted_weights, axis=1)[:, last]
    return hits, total - hits


def weighted_auroc(scores: Floats, positive: Mask, weights: Floats) -> Floats:
    """Area under the ROC curve by the trapezoid rule, ties counted half."""
    if len(scores) == 0:
        return np.full(len(weights), np.nan)
    hits, misses = cumulative(scores, positive, weights)
    zero = np.zeros((len(weights), 1))
    h, m = np.hstack((zero, hits)), np.hstack((zero, misses))
    area = (np.diff(m, axis=1) * (h[:, 1:] + h[:, :-1]) / 2).sum(axis=1)
    return _ratio(area, hits[:, -1] * misses[:, -1])


def weighted_auprc(scores: Floats, positive: Mask, weights: Floats) -> Floats:
    """Average precision: sum of precision times the step of recall, as `average_precision_score`."""
    if len(scores) == 0:
        return np.full(len(weights), np.nan)
    hits, misses = cumulative(scores, positive, weights)
    precision = np.nan_to_num(_ratio(hits, hits + misses))
    gains = np.diff(np.hstack((np.zeros((len(weights), 1)), hits)), axis=1)
    return _ratio((gains * precision).sum(axis=1), hits[:, -1])


def _one_vs_rest(c: int, y: Ints, guess: Ints, p: Floats, w: Floats, total: Floats) -> dict[str, Floats]:
    own = y == c
    tp, positives, predicted = w @ (own & (guess == c)), w @ own, w @ (guess == c)
    fp, fn = predicted - tp, positives - tp
    tn = total - tp - fp - fn
    return {
        "auroc": weighted_auroc(p[:, c], own, w),
        "auprc": weighted_auprc(p[:, c], own, w),
        "sensitivity": _ratio(tp, positives),
        "specificity": _ratio(tn, tn + fp),
        "ppv": _ratio(tp, predicted),
        "npv": _ratio(tn, tn + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
    }


def _brier(y: Ints, p: Floats, w: Floats, total: Floats) -> Floats:
    """Mean squared error of the probabilities: of class 1 with two classes, summed over the classes with more."""
    truth = np.eye(p.shape[1])[y]
    errors = (p - truth) ** 2
    return _ratio(w @ (errors[:, 1] if p.shape[1] == 2 else errors.sum(axis=1)), total)


def _ece(correct: Mask, confidence: Floats, w: Floats, total: Floats, n_bins: int) -> Floats:
    inside = np.eye(n_bins)[bin_index(confidence, n_bins)]
    gap = np.abs(w @ (inside * (confidence - correct)[:, None]))
    return _ratio(gap.sum(axis=1), total)


def figures(y: Ints, p: Floats, weights: Floats, refer_threshold: float | None, n_bins: int) -> dict[str, Floats]:
    """All scalars of an evaluation; one-vs-rest ones also per class as `"{index}/{name}"`.

    With two classes the overall figures are those of class 1, with more the mean over the classes. `coverage` and
    `answered_accuracy` are there when a refer threshold is given.
    """
    n_classes = p.shape[1]
    guess, confidence = p.argmax(axis=1), p.max(axis=1)
    correct, total = guess == y, weights.sum(axis=1)
    per_class = [_one_vs_rest(c, y, guess, p, weights, total) for c in range(n_classes)]
    if n_classes == 2:
        overall = dict(per_class[1])
    else:
        overall = {name: np.mean([figure[name] for figure in per_class], axis=0) for name in per_class[0]}
    result = {
        "accuracy": _ratio(weights @ correct, total),
        "balanced_accuracy": np.mean([figure["sensitivity"] for figure in per_class], axis=0),
        **overall,
        "precision": overall["ppv"],
        "recall": overall["sensitivity"],
        "brier": _brier(y, p, weights, total),
        "ece": _ece(correct, confidence, weights, total, n_bins),
    }
    if refer_threshold is not None:
        answered = confidence >= refer_threshold
        result["coverage"] = _ratio(weights @ answered, total)
        result["answered_accuracy"] = _ratio(weights @ (answered & correct), weights @ answered)
    for c, one in enumerate(per_class):
        result.update({f"{c}/{name}": values for name, values in one.items()})
    return result
