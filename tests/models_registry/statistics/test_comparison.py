"""Two versions on the same cases: what counts as worse, and what it is corrected for."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from models_registry.statistics.calibration import softmax
from models_registry.statistics.comparison import CLUSTERED, compare, significant, unavailable


def both(n: int, k: int, *, new: float, deployed: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, and probabilities of two that see the same picture, each with its own usefulness."""
    rng = np.random.default_rng(seed)
    y, seen = rng.integers(0, k, n), rng.normal(size=(n, k))
    shares = [softmax(seen + 0.5 * rng.normal(size=(n, k)) + use * np.eye(k)[y]) for use in (new, deployed)]
    return y, shares[0], shares[1]


def test_figures_and_their_differences_are_those_of_scikit_learn():
    y, new, deployed = both(300, 2, new=2.0, deployed=1.5)
    found = {test["figure"]: test for test in compare(y, new, deployed, range(300), ["A", "B"], n_boot=200)["tests"]}
    for name, test in found.items():
        measure = {
            "auroc": lambda p: sk.roc_auc_score(y, p[:, 1]),
            "balanced_accuracy": lambda p: sk.balanced_accuracy_score(y, p.argmax(axis=1)),
            "accuracy": lambda p: sk.accuracy_score(y, p.argmax(axis=1)),
        }[name]
        assert test["new"] == pytest.approx(measure(new), abs=1e-9)
        assert test["deployed"] == pytest.approx(measure(deployed), abs=1e-9)
        assert test["difference"] == pytest.approx(test["new"] - test["deployed"])
        assert test["low"] <= test["difference"] <= test["high"]
    assert (found["auroc"]["class"], found["auroc"]["method"]) == ("B", "DeLong")
    assert found["accuracy"]["p"] == found["accuracy"]["mcnemar"]["p_mid"]


def test_a_clearly_worse_version_is_named_and_a_clearly_better_one_too():
    y, good, bad = both(300, 2, new=3.0, deployed=0.8)
    worse = compare(y, bad, good, range(300), ["A", "B"], n_boot=300)
    assert {test["figure"] for test in significant(worse["tests"], worse=True)} == {
        "auroc",
        "balanced_accuracy",
        "accuracy",
    }
    assert significant(worse["tests"], worse=False) == []
    better = compare(y, good, bad, range(300), ["A", "B"], n_boot=300)
    assert len(significant(better["tests"], worse=False)) == 3


def test_a_version_against_itself_differs_in_nothing():
    y, p, _ = both(80, 3, new=2.0, deployed=2.0)
    found = compare(y, p, p, range(80), ["A", "B", "C"], n_boot=100)
    assert [(test["difference"], test["p"], test["p_holm"]) for test in found["tests"]] == [(0, 1, 1)] * 5


def test_several_classes_are_compared_one_against_the_rest_and_corrected():
    y, new, deployed = both(300, 4, new=2.0, deployed=1.6)
    tests = compare(y, new, deployed, range(300), ["A", "B", "C", "D"], n_boot=200)["tests"]
    assert [test["class"] for test in tests] == ["A", "B", "C", "D", None, None]
    smallest = min(test["p"] for test in tests)
    assert min(test["p_holm"] for test in tests) == pytest.approx(min(1.0, 6 * smallest))


def test_where_patients_repeat_the_bootstrap_over_them_decides():
    """The same 60 patients four times over: nothing new was learned, and only DeLong and McNemar believe it was."""
    y, new, deployed = both(60, 2, new=1.2, deployed=1.6, seed=4)
    alone = compare(y, new, deployed, range(60), ["A", "B"], n_boot=300)
    again = compare(*(np.concatenate([a] * 4) for a in (y, new, deployed)), list(range(60)) * 4, ["A", "B"], n_boot=300)
    assert (alone["groups_repeat"], again["groups_repeat"]) == (False, True)
    one, many = alone["tests"][0], again["tests"][0]
    assert many["method"] == CLUSTERED
    assert many["delong"]["standard_error"] < 0.6 * one["delong"]["standard_error"]
    assert (many["low"], many["high"]) == pytest.approx((one["low"], one["high"]))
    assert many["p"] > many["delong"]["p"]
    assert "ignore" in again["note"]


def test_too_few_cases_are_not_compared_and_say_so():
    y, new, deployed = both(60, 2, new=2.0, deployed=1.0)
    keep = (y == 0) | (np.cumsum(y == 1) <= 3)
    found = compare(y[keep], new[keep], deployed[keep], range(keep.sum()), ["A", "B"], n_boot=50)
    by_name = {test["figure"]: test for test in found["tests"]}
    assert by_name["auroc"]["p"] is None
    assert "3 cases" in by_name["auroc"]["reason"]
    assert by_name["accuracy"]["p"] == by_name["accuracy"]["p_holm"]


def test_few_patients_with_many_scans_have_no_p():
    y, new, deployed = both(40, 2, new=2.0, deployed=1.0)
    found = compare(y, new, deployed, [i % 3 for i in range(40)], ["A", "B"])
    assert {test["p"] for test in found["tests"]} == {None}
    assert {test["reason"] for test in found["tests"]} == {"no interval: too few groups"}
    assert significant(found["tests"], worse=True) == significant(found["tests"], worse=False) == []


def test_a_comparison_is_plain_json_and_repeats_itself():
    y, new, deployed = both(50, 3, new=2.0, deployed=1.0)
    found = compare(y, new, deployed, range(50), ["A", "B", "C"], n_boot=50, seed=3)
    assert found == json.loads(json.dumps(found, allow_nan=False))
    assert found == compare(y, new, deployed, range(50), ["A", "B", "C"], n_boot=50, seed=3)
    assert unavailable("No version is deployed.") == {"available": False, "reason": "No version is deployed."}


def test_probabilities_of_other_cases_are_refused():
    y, new, deployed = both(20, 2, new=2.0, deployed=1.0)
    with pytest.raises(ValueError, match="probabilities must be"):
        compare(y, new, deployed[:10], range(20), ["A", "B"])
