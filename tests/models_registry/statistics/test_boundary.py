"""Intervals of figures at their ends: never without width, as published, and as wide as they have to be."""

import math

import numpy as np
import pytest
from scipy import stats

from models_registry.statistics import boundary
from models_registry.statistics.boundary import area_interval, unanimous, unanimous_difference, unanimous_p
from models_registry.statistics.comparison import compare
from models_registry.statistics.metrics import evaluation_report, measured
from models_registry.statistics.resampling import Groups
from models_registry.statistics.slices import slice_report

FIGURES = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "auroc", "auprc")


def all_right(n: int, k: int, *, sure: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Cases that are all right, each by the same confidence."""
    y = np.arange(n) % k
    return y, np.where(np.eye(k)[y] == 1, sure, (1 - sure) / (k - 1))


def scalars(found):
    """Every figure of a report, of its classes and of its slices."""
    if isinstance(found, dict) and {"value", "low", "high"} <= found.keys() and "by" not in found:
        return [found]
    inner = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return [entry for part in inner for entry in scalars(part)]


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("sure", [0.9, 1.0])
def test_no_interval_of_a_perfect_model_is_without_width(k, sure):
    y, p = all_right(48, k, sure=sure)
    report = evaluation_report(y, p, list(range(48)), [f"C{c}" for c in range(k)], n_boot=50, refer_threshold=0.5)
    for name in FIGURES:
        entry = report[name]
        assert entry["value"] == 1
        assert 0.5 < entry["low"] < 0.99, name
        assert entry["high"] == 1
    assert {entry["high"] - entry["low"] > 0.01 for entry in scalars(report) if entry["low"] is not None} == {True}
    assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in scalars(report) if entry["low"] is not None)


def test_slices_and_comparisons_have_width_too():
    y, p = all_right(60, 2)
    sides = ["left" if i % 3 else "right" for i in range(60)]
    for entry in slice_report(y, p, list(range(60)), ["A", "B"], {"side": sides}, n_boot=50):
        assert entry["auroc"]["low"] < entry["auroc"]["value"] == 1
    tests = compare(y, p, p, list(range(60)), ["A", "B"], n_boot=50)["tests"]
    for test in tests:
        assert test["low"] < test["difference"] == 0 < test["high"]
        assert test["p"] == 1
    assert (tests[0]["delong"]["low"], tests[0]["delong"]["high"]) == (None, None)


def test_always_wrong_and_always_one_class_have_intervals_on_the_other_side():
    y, p = all_right(40, 2)
    wrong = evaluation_report(y, p[:, ::-1], list(range(40)), ["A", "B"], n_boot=50)
    assert (wrong["accuracy"]["low"], wrong["auroc"]["low"]) == (0, 0)
    assert 0.05 < wrong["accuracy"]["high"] < 0.1
    assert 0.05 < wrong["auroc"]["high"] < 0.3
    same = evaluation_report(y, np.tile([0.7, 0.3], (40, 1)), list(range(40)), ["A", "B"], n_boot=50)
    for name in ("balanced_accuracy", "auroc"):
        assert same[name]["low"] < same[name]["value"] == 0.5 < same[name]["high"]


@pytest.mark.parametrize("n", [5, 20, 300])
def test_a_unanimous_share_has_the_interval_of_clopper_and_pearson(n):
    wanted = stats.binomtest(n, n).proportion_ci(0.95, method="exact")
    assert unanimous(1.0, n) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    wanted = stats.binomtest(0, n).proportion_ci(0.95, method="exact")
    assert unanimous(0.0, n) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_it_is_the_patients_that_count_and_not_their_scans():
    y, p = all_right(40, 2)
    once = evaluation_report(y, p, list(range(40)), ["A", "B"], n_boot=50)
    again = evaluation_report(np.tile(y, 5), np.tile(p, (5, 1)), list(range(40)) * 5, ["A", "B"], n_boot=50)
    for name in FIGURES:
        assert (once[name]["low"], once[name]["high"]) == (again[name]["low"], again[name]["high"])
    assert once["sensitivity"]["low"] == pytest.approx(0.025 ** (1 / 20))
    assert once["accuracy"]["low"] == pytest.approx(0.025 ** (1 / 40))
    # Patients who have both kinds are not counted twice.
    both = evaluation_report(y, p, [i // 2 for i in range(40)], ["A", "B"], n_boot=50)
    assert both["balanced_accuracy"]["low"] == pytest.approx(0.025 ** (1 / 20))


@pytest.mark.parametrize(("m", "n"), [(5, 5), (12, 70), (200, 200)])
@pytest.mark.parametrize("area", [0.0, 0.5, 0.93, 1.0])
def test_the_ends_of_an_area_solve_newcombes_equation(area, m, n):
    """(area - theta)^2 = z^2 theta (1 - theta) / (mn) [1 + N* ((1 - theta) / (2 - theta) + theta / (1 + theta))] with
    N* = (m + n) / 2 - 1: method 5 of Newcombe (2006)."""
    z = stats.norm.ppf(0.975)
    low, high = area_interval(area, m, n)
    for theta, wanted in ((low, area > 0), (high, area < 1)):
        if wanted:
            inner = 1 + ((m + n) / 2 - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
            reach = z * math.sqrt(theta * (1 - theta) / (m * n) * inner)
            assert abs(area - theta) == pytest.approx(reach, rel=1e-6)
            assert theta not in (0, 1)
    assert area_interval(1 - area, m, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_p_is_the_level_at_which_the_interval_of_a_difference_ends_at_nought():
    assert unanimous_p(1.0, 7) == pytest.approx(stats.binomtest(7, 7).pvalue)
    assert unanimous_p(0.0, 7) == 1
    assert (unanimous_difference(1.0, 5)[0] < 0, unanimous_p(1.0, 5) > 0.05) == (True, True)
    assert (unanimous_difference(1.0, 6)[0] > 0, unanimous_p(1.0, 6) < 0.05) == (True, True)
    assert unanimous_difference(-1.0, 6) == pytest.approx(tuple(-end for end in unanimous_difference(1.0, 6)[::-1]))


def test_a_version_that_is_right_where_the_other_is_wrong_on_five_patients_proves_nothing():
    y, p = all_right(20, 2)
    found = {
        test["figure"]: test for test in compare(y, p, p[:, ::-1], [i // 4 for i in range(20)], ["A", "B"])["tests"]
    }
    for test in found.values():
        assert test["difference"] == 1
        assert test["p"] == pytest.approx(2 / 2**5)
        assert test["low"] < 0


def test_intervals_that_have_a_width_are_those_of_the_bootstrap(monkeypatch):
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 80)
    share = np.clip(0.5 + 0.25 * (2 * y - 1) + 0.3 * rng.normal(size=80), 0.01, 0.99)
    p = np.stack([1 - share, share], axis=1)
    report = evaluation_report(y, p, list(range(80)), ["A", "B"], n_boot=100)
    monkeypatch.setattr(boundary.Carriers, "ends", lambda *_: pytest.fail("the bootstrap gave an interval"))
    assert evaluation_report(y, p, list(range(80)), ["A", "B"], n_boot=100) == report


def held(entries, truth: float) -> tuple[float, float]:
    """How often intervals hold the truth, and how often they would if those that are not the bootstrap's had no width."""
    inside = [entry["low"] <= truth <= entry["high"] for entry in entries]
    flat = [here and entry["value"] < 1 for here, entry in zip(inside, entries, strict=True)]
    return float(np.mean(inside)), float(np.mean(flat))


def test_intervals_of_shares_near_one_hold_the_truth_as_often_as_they_say():
    """300 data sets of 25 patients with two scans each, both right or both wrong, 97 % right: half of them have no error.
    0.92 is two and a half standard errors below 0.95."""
    rng, entries = np.random.default_rng(11), []
    for seed in range(300):
        right = (rng.random(25) < 0.97).repeat(2)
        y = np.arange(50) % 2
        p = np.where(np.where(right, y, 1 - y)[:, None] == [[0, 1]], 0.8, 0.2)
        groups = Groups.of(list(np.arange(25).repeat(2)))
        entries.append(measured(y, p, groups, ["A", "B"], n_boot=60, seed=seed)["accuracy"])
    ours, flat = held(entries, 0.97)
    assert ours >= 0.92
    assert flat < 0.65


def test_intervals_of_areas_near_one_hold_the_truth_more_often_by_far():
    """300 data sets of 15 positives and 15 negatives from normal distributions of an area of 0.98. Data sets without a pair out
    of order are a quarter, and all of their intervals hold the truth; the rest is the bootstrap's own."""
    rng, entries, truth = np.random.default_rng(12), [], 0.98
    distance = math.sqrt(2) * stats.norm.ppf(truth)
    y = np.repeat([0, 1], 15)
    for seed in range(300):
        share = stats.norm.cdf(rng.normal(size=30) + distance * y - distance / 2)
        p = np.stack([1 - share, share], axis=1)
        entries.append(measured(y, p, Groups.of(list(range(30))), ["A", "B"], n_boot=60, seed=seed)["auroc"])
    perfect = [entry for entry in entries if entry["value"] == 1]
    ours, flat = held(entries, truth)
    assert 30 < len(perfect) < 200
    assert held(perfect, truth)[0] == 1
    assert ours >= 0.9
    assert flat < ours - 0.1
