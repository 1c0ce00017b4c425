"""Confident learning on planted label errors."""

import numpy as np
import numpy.typing as npt
import pytest

from models_registry.statistics.calibration import softmax
from tests.training.engine.builders import make_tiles, tiny_config
from training.engine import doubts
from training.engine.data import TrainData
from training.engine.doubts import class_thresholds, confident_joint, find
from training.engine.ensemble import train
from training.engine.series import Watch


def planted(n: int, k: int, flips: int, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], set[int]]:
    """Probabilities that follow the true classes with noise, labels of which some are wrong, and which those are."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    logits = rng.normal(0, 1, (n, k))
    logits[np.arange(n), true] += 4
    wrong = rng.choice(n, flips, replace=False)
    given = true.copy()
    given[wrong] = (true[wrong] + rng.integers(1, k, flips)) % k
    return softmax(logits), given, set(wrong.tolist())


@pytest.mark.parametrize("k", [2, 5])
def test_planted_errors_are_found_and_ranked_first(k):
    probabilities, given, wrong = planted(600, k, 60, seed=k)
    found = find(probabilities, given)
    named = {doubt.index for doubt in found}
    assert len(named & wrong) >= 45, "three in four are found"
    assert len(named & wrong) / len(named) >= 0.85
    worst = {doubt.index for doubt in found[:30]}
    assert len(worst & wrong) >= 29
    assert [doubt.margin for doubt in found] == sorted((doubt.margin for doubt in found), reverse=True)


def test_a_doubt_tells_what_was_given_what_is_suggested_and_how_probable_both_are():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9], [0.05, 0.95]])
    (doubt,) = find(probabilities, np.array([0, 0, 1, 1, 0]))
    assert (doubt.index, doubt.given, doubt.suggested) == (4, 0, 1)
    assert (doubt.given_probability, doubt.suggested_probability, doubt.margin) == pytest.approx((0.05, 0.95, 0.9))


def test_thresholds_are_the_mean_of_what_each_class_gets_from_its_own_scans():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]])
    assert class_thresholds(probabilities, np.array([0, 0, 1])) == pytest.approx([0.8, 0.6])
    assert class_thresholds(probabilities, np.array([0, 0, 0]))[1] == np.inf


def test_the_confident_joint_counts_only_scans_that_reach_a_threshold():
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.1, 0.9]])
    labels = np.array([0, 0, 1, 0])
    # Thresholds: (0.9 + 0.5 + 0.1) / 3 = 0.5, and 0.8.
    assert confident_joint(probabilities, labels).tolist() == [[2, 1], [0, 1]]


def test_one_sided_overconfidence_does_not_put_a_whole_class_in_doubt():
    """Every scan leans to class 0, those of class 1 less so: thresholds of each class tell them apart, plain argmax does not."""
    rng = np.random.default_rng(1)
    lean = np.concatenate([rng.uniform(0.85, 0.95, 50), rng.uniform(0.55, 0.65, 50)])
    probabilities = np.stack([lean, 1 - lean], axis=1)
    labels = np.repeat([0, 1], 50)
    assert (probabilities.argmax(axis=1) != labels).sum() == 50
    assert find(probabilities, labels) == []


def test_what_does_not_fit_is_refused():
    good = np.full((3, 2), 0.5)
    for probabilities, labels in (
        (good, np.array([0, 1])),
        (good[:, 0], np.array([0, 1, 0])),
        (np.full((3, 2), np.nan), np.array([0, 1, 0])),
        (good, np.array([0, 1, 2])),
    ):
        with pytest.raises(ValueError, match=r"do not fit|not finite|must be in"):
            find(probabilities, labels)
    assert find(np.zeros((0, 2)), np.zeros(0, dtype=np.int64)) == []


def test_flipped_labels_are_found_by_networks_that_never_saw_them_and_no_clean_one_is_doubted(known_weights):
    """Only the heads learn: a problem with one optimum. When whole networks learn for so short a time, how sure each fold
    becomes depends on the processor's rounding, and with it which flips reach the threshold of their class."""
    tiles, true = make_tiles(64)
    flipped = np.random.default_rng(4).choice(64, 6, replace=False)
    given = true.copy()
    given[flipped] = 1 - given[flipped]
    data = TrainData(tiles[:48], given[:48], tiles[48:], given[48:], 2)
    heads = {"pretrained": True, "epochs": 2, "frozen_epochs": 2, "learning_rate": 2e-2}
    config = tiny_config(image_size=28, folds=4, augment=0.0, **heads)
    watch = Watch(lambda *_: None, lambda _: None, lambda: False)
    trained = train(data, config, watch, groups=[f"patient:{n}" for n in range(64)])
    assert trained.out_of_fold is not None
    assert {doubt.index for doubt in doubts.find(softmax(trained.out_of_fold[0]), given)} == set(flipped.tolist())
