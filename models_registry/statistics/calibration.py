"""Temperature scaling, reliability and the refer threshold.

Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. Its logarithm has a normal prior of mean
0 and standard deviation 0.5: with few scans the temperature stays near 1 instead of running to a bound, as it does where a
validation set is perfectly separated (see findings/sklearn_temperature_becomes_a_step.sh); with many the scans decide. Every
class counts equally in the fit: training shows the classes equally often, and a temperature cannot make up for a prior that the
scores do not carry (docs/decisions.md has the measurements).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIN_CASES = 20
MIN_PER_CLASS = 5
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
# Of the prior of ln T. Of the networks measured here, temperatures of 0.4 to 1.6 were right on many scans.
PRIOR_WIDTH = 0.5
# By how many nats the scores must beat not looking; scores smaller than this are none.
LEAST_GAIN, LEAST_SCORE = 1e-3, 0.05
REFER_ALL = 2.0  # above every confidence
N_BINS = 10


_FIGURES = ("n_groups", "origin", "networks", "nll_before", "nll_after", "ece_before", "ece_after", "note")


@dataclass(frozen=True)
class Calibration:
    """A temperature fitted on `n` scans of `n_groups` groups, or `reason` why there is none (`temperature` is None). It is 1
    where a fitted one did not lower the NLL of scans that it was not fitted on.

    `origin` says which scans these are, `networks` of how many networks their logits are the mean (None: not known). NLL
    (nats) and ECE of what the model says, before and after; the latter on scans that the temperature was not fitted on
    (cross-fitted by group). `note` says why these four are None.
    """

    temperature: float | None
    n: int
    reason: str = ""
    n_groups: int | None = None
    origin: str = ""
    nll_before: float | None = None
    nll_after: float | None = None
    ece_before: float | None = None
    ece_after: float | None = None
    note: str = ""
    networks: int | None = None

    @property
    def available(self) -> bool:
        return self.temperature is not None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Inverse of `to_dict`; `ValueError` when incomplete or when the temperature is not positive and finite."""
        try:
            value = data["temperature"]
            temperature = None if value is None else float(value)
            known = {name: data[name] for name in _FIGURES if name in data}
            result = cls(temperature, int(data["n"]), str(data["reason"]), **known)
        except (KeyError, TypeError) as error:
            raise ValueError(f"calibration is incomplete: {error}") from error
        if temperature is not None and not (math.isfinite(temperature) and temperature > 0):
            raise ValueError(f"calibration.temperature must be positive and finite, got {temperature}")
        return result


@dataclass(frozen=True)
class Referral:
    """Answer from `threshold` on. `measured_coverage` is the share of `n` calibration scans answered so, and
    `measured_accuracy` that of right ones among the answered."""

    threshold: float
    coverage_target: float
    measured_coverage: float | None
    n: int
    measured_accuracy: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Referral:
        """Inverse of `to_dict`; `ValueError` when incomplete or not finite."""
        try:
            measured, accuracy = data["measured_coverage"], data.get("measured_accuracy")
            result = cls(
                float(data["threshold"]),
                float(data["coverage_target"]),
                None if measured is None else float(measured),
                int(data["n"]),
                None if accuracy is None else float(accuracy),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"referral is incomplete: {error}") from error
        if not (math.isfinite(result.threshold) and 0 <= result.coverage_target <= 1):
            raise ValueError("referral.threshold must be finite and coverage_target in 0..1")
        return result


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of the reliability diagram: mean confidence and accuracy of its `n` cases (None when empty)."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def softmax(logits: npt.ArrayLike, temperature: float = 1.0) -> Floats:
    """Logits (N, K) -> probabilities (N, K) in float64."""
    z = np.asarray(logits, dtype=np.float64) / temperature
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    return np.asarray(e / e.sum(axis=1, keepdims=True), dtype=np.float64)


def log_loss(probabilities: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Mean negative log-likelihood (nats) of `labels` (N,) under probabilities (N, K), cases counting by weight (N,)."""
    y = np.asarray(labels, dtype=np.int64)
    losses = -np.log(np.maximum(np.asarray(probabilities, dtype=np.float64)[np.arange(len(y)), y], 1e-300))
    if weights is None:
        return float(losses.mean())
    w = np.asarray(weights, dtype=np.float64)
    return float((w * losses).sum() / w.sum())


def nll(logits: npt.ArrayLike, labels: npt.ArrayLike, temperature: float = 1.0) -> float:
    """`log_loss` of softmax(logits / temperature)."""
    return log_loss(softmax(logits, temperature), labels)


def class_name(classes: Sequence[str], index: int) -> str:
    """What a reason calls a class: the name that doctors know, or its index where no names were given."""
    return classes[index] if classes else str(index)


def _why_not(y: Ints, k: int, classes: Sequence[str]) -> str:
    counts = np.bincount(y, minlength=k)
    if len(y) < MIN_CASES:
        return f"only {len(y)} calibration scans, at least {MIN_CASES} are needed"
    if counts.min() < MIN_PER_CLASS:
        name = class_name(classes, int(counts.argmin()))
        return f"class {name} has {int(counts.min())} calibration scans, at least {MIN_PER_CLASS} are needed"
    return ""


def fit_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike, classes: Sequence[str] = ()) -> Calibration:
    """Fit one temperature to logits (N, K) and labels (N,), or say why it is not available.

    `classes`: the names (K,) that the reason calls the classes by.
    """
    z = np.asarray(logits, dtype=np.float64)
    y = np.asarray(labels, dtype=np.int64)
    reason = _why_not(y, z.shape[1], classes)
    if not reason and not np.isfinite(z).all():
        reason = "the logits of the calibration scans are not finite"
    if reason:
        return Calibration(None, len(y), reason)
    temperature = best_temperature(z, y)
    reason = _says_nothing(z, y, temperature)
    return Calibration(None if reason else temperature, len(y), reason)


def _says_nothing(z: Floats, y: Ints, temperature: float) -> str:
    """Why no temperature makes confidences of these scores: they are no better than not looking at the scan."""
    k = z.shape[1]
    balanced = log_loss(softmax(z, temperature), y, 1 / np.bincount(y, minlength=k)[y])
    if balanced < math.log(k) - LEAST_GAIN:
        return ""
    if float(np.abs(z - z.mean(axis=1, keepdims=True)).max()) < LEAST_SCORE:
        return "the scores hardly differ between scans"
    return "the scores say nothing about the classes: at any temperature they are no better than guessing"


def best_temperature(z: Floats, y: Ints) -> float:
    """The temperature of highest posterior: sum of the NLL, each class counting equally and all together as many as there are
    scans, plus (ln T)^2 / (2 PRIOR_WIDTH^2). Logits (N, K), of every class at least one scan."""
    rows, counts = np.arange(len(y)), np.bincount(y, minlength=z.shape[1])
    weights = len(y) / (z.shape[1] * counts[y])

    def loss(log_t: float) -> float:
        scaled = z / math.exp(log_t)
        top = scaled.max(axis=1)
        log_p = scaled[rows, y] - top - np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float(-(weights * log_p).sum()) + log_t**2 / (2 * PRIOR_WIDTH**2)

    return math.exp(_golden_section(loss, math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)))


def _golden_section(function: Callable[[float], float], low: float, high: float, steps: int = 60) -> float:
    """The minimum of a unimodal function (the NLL is convex in 1/T, so it is unimodal in log T, and the prior is convex there)."""
    ratio = (math.sqrt(5) - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    fa, fb = function(a), function(b)
    for _ in range(steps):
        if fa <= fb:
            high, b, fb = b, a, fa
            a = high - ratio * (high - low)
            fa = function(a)
        else:
            low, a, fa = a, b, fb
            b = low + ratio * (high - low)
            fb = function(b)
    return (low + high) / 2


def choose_threshold(
    confidences: npt.ArrayLike, coverage_target: float, weights: npt.ArrayLike | None = None
) -> Referral:
    """The highest threshold that answers at least `coverage_target` of the scans (by weight), with the share it answers.

    0 refers everything, 1 answers everything; without scans nothing is measured and everything is answered or referred
    by the same rule at threshold 0.
    """
    if not 0 <= coverage_target <= 1:
        raise ValueError(f"coverage_target must be in 0..1, got {coverage_target}")
    values = np.asarray(confidences, dtype=np.float64)
    w = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    n = len(values)
    if coverage_target == 0:
        threshold = REFER_ALL
    elif coverage_target == 1 or n == 0:
        threshold = 0.0
    else:
        order = np.argsort(-values, kind="stable")
        wanted = coverage_target * w.sum() - 1e-9
        threshold = float(values[order][min(np.searchsorted(np.cumsum(w[order]), wanted), n - 1)])
    measured = float(w[values >= threshold].sum() / w.sum()) if n else None
    return Referral(threshold, float(coverage_target), measured, n)


def bin_index(confidences: Floats, n_bins: int = N_BINS) -> Ints:
    """The equal-width bin (0..n_bins-1) of each confidence; the last bin includes 1."""
    return np.minimum((confidences * n_bins).astype(np.int64), n_bins - 1)


def reliability(probabilities: npt.ArrayLike, labels: npt.ArrayLike, n_bins: int = N_BINS) -> list[ReliabilityBin]:
    """Top-label reliability of probabilities (N, K) in equal-width bins."""
    p = np.asarray(probabilities, dtype=np.float64)
    y = np.asarray(labels, dtype=np.int64)
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == y
    index = bin_index(confidence, n_bins)
    bins = []
    for b in range(n_bins):
        inside = index == b
        n = int(inside.sum())
        bins.append(
            ReliabilityBin(
                b / n_bins,
                (b + 1) / n_bins,
                n,
                float(confidence[inside].mean()) if n else None,
                float(correct[inside].mean()) if n else None,
            )
        )
    return bins


def expected_calibration_error(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, n_bins: int = N_BINS, weights: npt.ArrayLike | None = None
) -> float:
    """Top-label ECE: the mean distance of confidence and accuracy over the bins, by size (or weight); NaN without cases."""
    p = np.asarray(probabilities, dtype=np.float64)
    if not len(p):
        return float("nan")
    w = np.ones(len(p)) if weights is None else np.asarray(weights, dtype=np.float64)
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == np.asarray(labels, dtype=np.int64)
    gaps = np.bincount(bin_index(confidence, n_bins), weights=w * (confidence - correct), minlength=n_bins)
    return float(np.abs(gaps).sum() / w.sum())
