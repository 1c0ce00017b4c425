"""The correction to another prevalence, against Bayes' rule in a world where everything is known."""

import json

import numpy as np
import pytest

from models_registry.statistics.calibration import softmax
from models_registry.statistics.prior import Prior, case_weights, corrected, served_probabilities, shares_of

EQUAL = (0.5, 0.5)


def prior(**changes) -> Prior:
    return Prior(**{"training": (0.3, 0.7), "sampling": EQUAL, "calibration": (0.25, 0.75), **changes})


def test_the_correction_is_bayes_rule():
    """Two normal densities: the posterior at equal frequency, moved to 9 : 1, is the posterior computed at 9 : 1."""
    x = np.linspace(-4, 4, 81)
    likelihood = np.stack((np.exp(-((x + 1) ** 2) / 2), np.exp(-((x - 1) ** 2) / 2)), axis=1)
    equal = likelihood / likelihood.sum(axis=1, keepdims=True)
    rare = likelihood * [0.9, 0.1]
    expected = rare / rare.sum(axis=1, keepdims=True)
    assert corrected(equal, prior(expected=(0.9, 0.1))) == pytest.approx(expected, abs=1e-12)


def test_the_shares_that_training_shows_are_what_is_divided_by():
    p = np.array([[0.2, 0.8]])
    shown = Prior((0.2, 0.8), (0.2, 0.8), (0.3, 0.7), (0.5, 0.5))
    assert corrected(p, shown) == pytest.approx(np.array([[0.5, 0.5]]))


@pytest.mark.parametrize("nothing", [None, prior(), prior(expected=(0.9, 0.1), calibration=None)])
def test_without_an_expected_prevalence_or_a_calibration_nothing_changes(nothing):
    p = softmax(np.random.default_rng(0).normal(size=(50, 2)))
    assert np.array_equal(corrected(p, nothing), p)
    assert np.array_equal(case_weights(np.arange(50) % 2, nothing), np.ones(50))


def test_certainty_stays_certainty_and_rows_sum_to_one():
    p = np.array([[1.0, 0.0], [0.0, 1.0], [1e-300, 1.0]])
    moved = corrected(p, prior(expected=(0.999999, 0.000001)))
    assert moved.sum(axis=1) == pytest.approx(1)
    assert moved[:2].tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_an_uncalibrated_model_is_not_corrected():
    z = np.array([[1.0, -1.0]])
    assert np.array_equal(served_probabilities(z, None, prior(expected=(0.1, 0.9))), softmax(z))
    assert not np.array_equal(served_probabilities(z, 1.0, prior(expected=(0.1, 0.9))), softmax(z))


def test_weights_give_calibration_scans_the_expected_prevalence():
    labels = np.array([0] * 10 + [1] * 30)
    weights = case_weights(labels, prior(calibration=shares_of(labels, 2), expected=(0.9, 0.1)))
    assert weights.mean() == pytest.approx(1)
    assert weights[labels == 0].sum() / weights.sum() == pytest.approx(0.9)


def test_a_prior_survives_json_and_nonsense_is_refused_by_name():
    for kept in (prior(), prior(expected=(0.9, 0.1)), prior(calibration=None)):
        assert Prior.from_dict(json.loads(json.dumps(kept.to_dict()))) == kept
    plain = prior().to_dict()
    for name, wrong in (
        ("expected", [0.9, 0.2]),
        ("calibration", [1.0, 0.0]),
        ("training", [1.5, -0.5]),
        ("sampling", ["a", "b"]),
    ):
        with pytest.raises(ValueError, match=f"prior.{name}|could not convert"):
            Prior.from_dict({**plain, name: wrong})
    with pytest.raises(ValueError, match="incomplete"):
        Prior.from_dict({"training": [0.5, 0.5]})
