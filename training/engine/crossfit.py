"""From calibration scans to what a bundle says of confidence: temperature, prior, refer threshold, prediction sets.

Everything is fitted on all calibration scans. What is measured is measured on scans that fitted none of it: the scans are
split by group, and each part is judged by a fit on the others. Scans count by the expected prevalence where the project
states one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from models_registry.statistics import conformal
from models_registry.statistics.calibration import (
    Calibration,
    Floats,
    Ints,
    Referral,
    best_temperature,
    choose_threshold,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    softmax,
)
from models_registry.statistics.conformal import Conformal, SetRule
from models_registry.statistics.prior import Prior, Shares, case_weights, served_probabilities, shares_of

from .calibrating import CalibrationScans
from .grouping import group_parts

FOLDS: Final = 5
CONFORMAL_TARGET: Final = 0.9
TOO_FEW_GROUPS: Final = "too few groups to leave some of them out of every fit"


@dataclass(frozen=True)
class Targets:
    """What a project asks for: the share of scans to answer, the coverage of prediction sets, the prevalence (K,) expected.
    `classes`: the names (K,) by which a reason for what is not available calls the classes."""

    coverage: float
    conformal: float = CONFORMAL_TARGET
    expected: Shares | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Confidence:
    """The four parts of a manifest that decide what is said of confidence."""

    calibration: Calibration
    prior: Prior
    referral: Referral
    conformal: Conformal


@dataclass(frozen=True)
class _Fit:
    temperature: float | None
    prior: Prior
    threshold: float
    marginal: SetRule
    by_class: SetRule


def calibrate(scans: CalibrationScans, training: Shares, targets: Targets, key: str) -> Confidence:
    """Fit and measure; without enough scans the calibration says why there is none, and nothing else is measured.

    `training`: the share of each class (K,) among the training scans. `key` makes the folds the same ones every time.
    """
    fitted = fit_temperature(scans.logits, scans.labels, targets.classes)
    calibration = replace(fitted, n_groups=scans.n_groups, origin=scans.origin, networks=scans.networks)
    whole = _fit(scans.logits, scans.labels, fitted.temperature, training, targets)
    referral = Referral(whole.threshold, targets.coverage, None, fitted.n)
    sets = Conformal(targets.conformal, whole.marginal, whole.by_class)
    if not fitted.available:
        return Confidence(calibration, whole.prior, referral, sets)
    held = _left_out(scans, training, targets, key)
    if held is not None and not _gains(held, scans):
        # A temperature that does not help scans that it has not seen is none: say what the network says.
        calibration = replace(calibration, temperature=1.0)
        whole = _fit(scans.logits, scans.labels, 1.0, training, targets)
        referral = replace(referral, threshold=whole.threshold)
        held = _left_out(scans, training, targets, key, _as_it_is)
    if held is None:
        sets = replace(
            sets,
            marginal=replace(sets.marginal, note=TOO_FEW_GROUPS),
            class_conditional=replace(sets.class_conditional, note=TOO_FEW_GROUPS),
        )
        return Confidence(replace(calibration, note=TOO_FEW_GROUPS), whole.prior, referral, sets)
    weights = case_weights(scans.labels, whole.prior)
    return Confidence(
        _judged(calibration, scans, whole.prior, held, weights),
        whole.prior,
        held.judged_referral(referral, scans.labels, weights),
        Conformal(
            targets.conformal,
            held.judged_sets(whole.marginal, held.marginal, scans.labels, weights),
            held.judged_sets(whole.by_class, held.by_class, scans.labels, weights),
        ),
    )


def _as_it_is(z: Floats, y: Ints) -> float:
    del z, y
    return 1.0


def _gains(held: _Held, scans: CalibrationScans) -> bool:
    """Whether temperatures of fits on others lower the loss, classes counting equally as in the fit: what a project expects of
    their shares is no part of it."""
    z, y = scans.logits, scans.labels
    weights = 1 / np.bincount(y, minlength=z.shape[1])[y]
    return log_loss(softmax(z / held.temperatures[:, None]), y, weights) < log_loss(softmax(z), y, weights)


def _fit(z: Floats, y: Ints, temperature: float | None, training: Shares, targets: Targets) -> _Fit:
    k = z.shape[1]
    counted = shares_of(y, k) if len(y) else None
    everywhere = counted is not None and min(counted) > 0
    # Training shows the classes equally often (data.balanced_order), so that is what the raw scores carry.
    fitted = Prior(training, (1 / k,) * k, counted if everywhere else None, targets.expected)
    weights = case_weights(y, fitted)
    p = served_probabilities(z, temperature, fitted)
    return _Fit(
        temperature,
        fitted,
        choose_threshold(p.max(axis=1) if len(p) else (), targets.coverage, weights).threshold,
        *_rules(p, y, temperature, targets, weights),
    )


def _rules(p: Floats, y: Ints, temperature: float | None, targets: Targets, weights: Floats) -> tuple[SetRule, SetRule]:
    if temperature is None:
        none = SetRule(None, tuple(np.bincount(y, minlength=p.shape[1]).tolist()), "the model is not calibrated")
        return none, none
    return (
        conformal.fit_marginal(p, y, targets.conformal, weights),
        conformal.fit_class_conditional(p, y, targets.conformal, targets.classes),
    )


@dataclass(frozen=True)
class _Held:
    """What fits on other groups say of each scan: temperature (N,), probabilities (N, K), the refer threshold (N,), sets (N, K)
    or None."""

    temperatures: Floats
    probabilities: Floats
    thresholds: Floats
    marginal: conformal.Mask | None
    by_class: conformal.Mask | None

    def judged_referral(self, referral: Referral, labels: Ints, weights: Floats) -> Referral:
        answered = self.probabilities.max(axis=1) >= self.thresholds
        right = answered & (self.probabilities.argmax(axis=1) == labels)
        share = float(weights[answered].sum())
        accuracy = float(weights[right].sum()) / share if share else None
        return replace(referral, measured_coverage=share / float(weights.sum()), measured_accuracy=accuracy)

    def judged_sets(self, rule: SetRule, sets: conformal.Mask | None, labels: Ints, weights: Floats) -> SetRule:
        if not rule.available:
            return rule
        if sets is None:
            return replace(rule, note="a fit without one of the parts has too few scans")
        covered, size, total = sets[np.arange(len(labels)), labels], sets.sum(axis=1), weights.sum()
        return replace(
            rule,
            coverage=float(weights[covered].sum() / total),
            by_class=tuple(float(covered[labels == k].mean()) for k in range(sets.shape[1])),
            mean_size=float((weights * size).sum() / total),
            singletons=float(weights[size == 1].sum() / total),
        )


def _left_out(
    scans: CalibrationScans,
    training: Shares,
    targets: Targets,
    key: str,
    temperature_of: Callable[[Floats, Ints], float] = best_temperature,
) -> _Held | None:
    """Every scan by a fit on the other parts, its temperature included; None where some part holds all scans of a class, or
    there are no parts."""
    z, y = scans.logits, scans.labels
    folds = min(FOLDS, scans.n_groups)
    parts = group_parts(y, scans.groups, folds, key)
    fits = []
    for part in range(folds):
        others = parts != part
        if len(np.unique(y[others])) < z.shape[1]:
            return None
        fits.append(_fit(z[others], y[others], temperature_of(z[others], y[others]), training, targets))
    p, thresholds, temperatures = np.zeros(z.shape), np.zeros(len(y)), np.ones(len(y))
    for part, fit in enumerate(fits):
        p[parts == part] = served_probabilities(z[parts == part], fit.temperature, fit.prior)
        thresholds[parts == part] = fit.threshold
        temperatures[parts == part] = fit.temperature
    return _Held(
        temperatures,
        p,
        thresholds,
        _sets(p, parts, fits, lambda f: f.marginal),
        _sets(p, parts, fits, lambda f: f.by_class),
    )


def _sets(p: Floats, parts: Ints, fits: list[_Fit], rule_of: Callable[[_Fit], SetRule]) -> conformal.Mask | None:
    rules = [rule_of(fit) for fit in fits]
    if not all(rule.available for rule in rules):
        return None
    sets: npt.NDArray[np.bool_] = np.zeros(p.shape, dtype=np.bool_)
    for part, rule in enumerate(rules):
        sets[parts == part] = conformal.members(p[parts == part], rule)
    return sets


def _judged(
    calibration: Calibration, scans: CalibrationScans, fitted: Prior, held: _Held, weights: Floats
) -> Calibration:
    before = served_probabilities(scans.logits, 1.0, fitted)
    y = scans.labels
    return replace(
        calibration,
        nll_before=log_loss(before, y, weights),
        nll_after=log_loss(held.probabilities, y, weights),
        ece_before=expected_calibration_error(before, y, weights=weights),
        ece_after=expected_calibration_error(held.probabilities, y, weights=weights),
    )
