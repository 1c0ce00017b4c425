"""The order of the labelling queue: unsure scans first, and no near-duplicates side by side."""

import time

import numpy as np
import pytest

from training.engine.ordering import LIMIT, diverse_order, scores


def test_near_copies_are_spread_out():
    """Ten bursts of eight nearly equal scans: the first ten come from ten bursts, plain uncertainty takes whole bursts."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (10, 16))
    features = np.repeat(centres, 8, axis=0) + rng.normal(0, 0.001, (80, 16))
    unsure = np.repeat(np.linspace(0.9, 0.4, 10), 8) + rng.uniform(0, 0.01, 80)
    first = diverse_order(features, unsure)[:10]
    assert len(set((first // 8).tolist())) == 10
    by_uncertainty = np.argsort(-unsure)[:10]
    assert len(set((by_uncertainty // 8).tolist())) == 2


def test_the_most_uncertain_comes_first_and_certain_scans_come_last():
    rng = np.random.default_rng(1)
    unsure = rng.uniform(0.2, 1, 30)
    unsure[[4, 9]] = 0.0
    order = diverse_order(rng.normal(0, 1, (30, 8)), unsure)
    assert order[0] == unsure.argmax()
    assert set(order[-2:].tolist()) == {4, 9}
    assert sorted(order.tolist()) == list(range(30))


def test_of_scans_equally_far_apart_the_more_uncertain_comes_first():
    features = np.eye(5)
    unsure = np.array([0.1, 0.9, 0.3, 0.7, 0.5])
    assert diverse_order(features, unsure).tolist() == [1, 3, 4, 2, 0]


def test_exact_copies_come_after_all_others_by_uncertainty():
    features = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [5.0, 5.0]])
    order = diverse_order(features, np.array([0.9, 0.95, 0.8, 0.3, 0.3])).tolist()
    assert order[0] == 1
    assert order[-2:] == [0, 2]


def test_the_units_of_a_feature_do_not_matter():
    rng = np.random.default_rng(2)
    features, unsure = rng.normal(0, 1, (40, 6)), rng.uniform(0, 1, 40)
    scaled = features * np.array([1, 1000, 0.001, 1, 7, 1]) + 3
    assert np.array_equal(diverse_order(features, unsure), diverse_order(scaled, unsure))


def test_scores_are_in_the_unit_interval_all_different_and_fall_along_the_order():
    rng = np.random.default_rng(3)
    features, unsure = rng.normal(0, 1, (25, 4)), rng.uniform(0, 1, 25)
    found = scores(features, unsure)
    assert found.max() == 1
    assert found.min() > 0
    assert np.array_equal(np.argsort(-found), diverse_order(features, unsure))
    assert np.array_equal(found, scores(features, unsure))


def test_one_scan_none_and_scans_without_features_are_no_special_case():
    assert scores(np.zeros((1, 3)), np.array([0.0])).tolist() == [1.0]
    assert scores(np.zeros((0, 3)), np.zeros(0)).tolist() == []
    assert diverse_order(np.zeros((3, 2)), np.array([0.1, 0.3, 0.2])).tolist() == [1, 2, 0]


def test_the_largest_queue_is_ordered_in_a_short_time():
    rng = np.random.default_rng(4)
    began = time.process_time()
    order = diverse_order(rng.normal(0, 1, (LIMIT, 64)), rng.uniform(0, 1, LIMIT))
    assert len(set(order.tolist())) == LIMIT
    assert time.process_time() - began < 60, "quadratic in the number of scans, not worse"


@pytest.mark.parametrize(
    ("features", "unsure"),
    [
        (np.zeros((3, 2)), np.zeros(2)),
        (np.zeros(3), np.zeros(3)),
        (np.full((2, 2), np.nan), np.zeros(2)),
        (np.zeros((2, 2)), np.array([0.1, np.inf])),
        (np.zeros((LIMIT + 1, 1)), np.zeros(LIMIT + 1)),
    ],
)
def test_what_does_not_fit_is_refused(features, unsure):
    with pytest.raises(ValueError, match=r"do not fit|finite|at most"):
        diverse_order(features, unsure)  # type: ignore[arg-type]
