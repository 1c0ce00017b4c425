"""Prediction sets against their definition, and their coverage on seeded synthetic scans."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_registry.statistics.calibration import softmax
from models_registry.statistics.conformal import (
    BY_CLASS,
    MARGINAL,
    Conformal,
    SetRule,
    fit_class_conditional,
    fit_marginal,
    least_scans,
    members,
)


def drawn(n: int, shares, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scans of a known world: labels by ``shares``, class-wise normal scores, the probabilities of equal frequency."""
    rng = np.random.default_rng(seed)
    k = len(shares)
    labels = rng.choice(k, n, p=shares)
    return softmax(1.5 * np.eye(k)[labels] + rng.normal(size=(n, k))), labels


def by_definition(scores: np.ndarray, target: float) -> float:
    return float(np.sort(scores)[math.ceil((len(scores) + 1) * target - 1e-9) - 1])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(20, 120), st.integers(2, 4), st.sampled_from([0.5, 0.8, 0.9]), st.integers(0, 10**6))
def test_without_weights_the_threshold_is_the_corrected_quantile(n, k, target, seed):
    p, y = drawn(n, np.full(k, 1 / k), seed)
    scores = 1 - p[np.arange(n), y]
    rule = fit_marginal(p, y, target, np.ones(n))
    if len(set(y.tolist())) < k:
        assert not rule.available
        return
    assert rule.thresholds == (by_definition(scores, target),) * k
    within = fit_class_conditional(p, y, target)
    if min(np.bincount(y, minlength=k)) >= least_scans(target):
        assert within.thresholds == tuple(by_definition(scores[y == c], target) for c in range(k))
    else:
        assert (within.thresholds, "calibration scans" in within.reason) == (None, True)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from([0.8, 0.9]))
def test_marginal_coverage_is_near_the_target(seed, target):
    """The coverage of fresh scans follows a Beta distribution (Vovk, 2012): here its mean and five of its deviations."""
    n, fresh = 400, 4000
    p, y = drawn(n + fresh, [0.6, 0.3, 0.1], seed)
    rule = fit_marginal(p[:n], y[:n], target, np.ones(n))
    covered = members(p[n:], rule)[np.arange(fresh), y[n:]].mean()
    spread = math.sqrt(target * (1 - target) * (1 / n + 1 / fresh))
    assert abs(covered - target) < 5 * spread + 1 / n


def test_mean_coverage_over_many_calibrations_reaches_the_target():
    found, within = [], []
    for seed in range(200):
        p, y = drawn(330, [0.7, 0.3], seed)
        rule, own = fit_marginal(p[:30], y[:30], 0.9, np.ones(30)), fit_class_conditional(p[:90], y[:90], 0.9)
        found.append(members(p[90:], rule)[np.arange(240), y[90:]].mean())
        if own.available:
            hit = members(p[90:], own)[np.arange(240), y[90:]]
            within.append([hit[y[90:] == c].mean() for c in (0, 1)])
    assert 0.895 < np.mean(found) < 0.93
    assert (np.mean(within, axis=0) > 0.895).all()
    assert (np.mean(within, axis=0) < 0.94).all()


def test_weights_cover_at_another_prevalence_where_no_weights_do_not():
    """Calibrated where class 1 is rare and hard, used where it is frequent."""
    rng = np.random.default_rng(0)

    def world(n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
        y = (rng.random(n) < share).astype(np.int64)
        strength = np.where(y == 1, 0.2, 3.0)[:, None]
        return softmax(strength * np.eye(2)[y] + rng.normal(size=(n, 2)) * 0.5), y

    p, y = world(2000, 0.1)
    fresh_p, fresh_y = world(20000, 0.8)
    prevalence = np.bincount(y) / len(y)
    weights = (np.array([0.2, 0.8]) / prevalence)[y]
    covered = [
        members(fresh_p, fit_marginal(p, y, 0.9, w))[np.arange(len(fresh_y)), fresh_y].mean()
        for w in (weights, np.ones(len(y)))
    ]
    assert covered[0] == pytest.approx(0.9, abs=0.03)
    assert covered[1] < 0.6


@pytest.mark.parametrize(("target", "n"), [(0.9, 9), (0.8, 4), (0.95, 19), (0.99, 99), (0.5, 1)])
def test_below_the_least_number_of_scans_there_is_no_threshold(target, n):
    assert least_scans(target) == n
    p = np.full((2 * n, 2), 0.5)
    y = np.repeat([0, 1], n)
    assert fit_class_conditional(p, y, target).available
    fewer = fit_class_conditional(p[:-1], y[:-1], target)
    assert fewer.reason == f"class 1 has {n - 1} calibration scans, a coverage of {target:g} needs {n}"
    alone = np.arange(n - 1) % 2
    assert not fit_marginal(p[: n - 1], alone, target, np.ones(n - 1)).available


def test_a_set_holds_every_class_that_reaches_its_threshold_or_none():
    rule = SetRule((0.4, 0.7), (20, 20))
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5], [0.65, 0.35], [0.55, 0.25]])
    assert members(p, rule).tolist() == [[True, False], [True, True], [False, True], [True, True], [False, False]]


def test_sets_come_from_the_rule_within_classes_then_from_the_marginal_one_then_from_none():
    wide, narrow, none = SetRule((1.0, 1.0), (9, 9)), SetRule((0.1, 0.1), (9, 9)), SetRule(None, (9, 3), "too few")
    p = np.array([[0.6, 0.4]])
    both, one, neither = Conformal(0.9, narrow, wide), Conformal(0.9, narrow, none), Conformal(0.9, none, none)
    assert both.rule == (BY_CLASS, wide)
    assert one.rule == (MARGINAL, narrow)
    assert [c.prediction_set(p) is None for c in (both, one, neither)] == [False, False, True]
    with pytest.raises(ValueError, match="too few"):
        members(p, none)


def test_what_is_said_of_sets_survives_json_and_nonsense_is_refused():
    rule = SetRule((0.4, 0.7), (20, 21), "", 0.91, (0.9, None), 1.2, 0.8)
    whole = Conformal(0.9, rule, SetRule(None, (20, 3), "too few"))
    plain = json.loads(json.dumps(whole.to_dict()))
    assert Conformal.from_dict(plain) == whole
    for wrong in (
        {**plain, "target": 1.0},
        {"target": 0.9},
        {**plain, "marginal": {**plain["marginal"], "thresholds": [0.4, 7]}},
        {**plain, "marginal": {**plain["marginal"], "surprise": 1}},
    ):
        with pytest.raises(ValueError, match="conformal"):
            Conformal.from_dict(wrong)
