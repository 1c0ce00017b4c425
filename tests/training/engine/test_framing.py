"""Scans of several frames in a training."""

import numpy as np
import pytest

from models_registry.inference.architectures import COMPACT, restored
from models_registry.inference.frames import of_each_scan
from models_registry.inference.predictor import predict_logits
from tests.training.engine.builders import know_weights, make_tiles, tiny_config
from training.engine import folds
from training.engine.calibrating import Division, scans_of
from training.engine.data import TrainData, balanced_order, epoch_order
from training.engine.ensemble import train
from training.engine.fit import fit
from training.engine.framing import drawn, firsts, of_scans, one_each, pictures_of, renumbered
from training.engine.series import Watch

# Of eight scans every other one has three frames.
COUNTS = [1, 3] * 4


def framed(counts, *, seed=0):
    """Pictures of so many frames a scan, whose labels go round, their labels and the scan that each shows."""
    tiles, labels = make_tiles(len(counts), seed=seed)
    scans = np.repeat(np.arange(len(counts)), counts)
    pictures = tiles[scans].copy()
    # Frames differ: each has its place in the first pixel.
    pictures[:, 0, 0] = np.arange(len(scans))
    return pictures, labels[scans], scans


def make_framed() -> TrainData:
    (train_tiles, train_labels, train_scans), (val_tiles, val_labels, val_scans) = (
        framed(COUNTS),
        framed(COUNTS, seed=1),
    )
    return TrainData(train_tiles, train_labels, val_tiles, val_labels, 2, train_scans, val_scans)


def test_pictures_and_scans_are_counted_into_one_another():
    scans = np.array([0, 1, 1, 1, 2, 2])
    assert firsts(scans).tolist() == [0, 1, 4]
    assert of_scans(np.array([5, 6, 6, 6, 7, 7]), scans).tolist() == [5, 6, 7]
    assert pictures_of(scans, np.array([2, 0])).tolist() == [0, 4, 5]
    assert renumbered(scans[pictures_of(scans, np.array([2, 0]))]).tolist() == [0, 1, 1]
    assert one_each(scans).tolist() == [0, 2, 4]


def test_where_each_picture_is_a_scan_nothing_changes():
    labels = np.array([1, 0])
    assert of_scans(labels, None) is labels
    assert drawn(labels, None, np.random.default_rng(0)) is labels
    assert pictures_of(None, labels) is labels
    assert renumbered(None) is None
    tiles, labels = make_tiles(12)
    data = TrainData(tiles, labels, tiles, labels, 2)
    assert np.array_equal(epoch_order(data, 3, 1), balanced_order(labels, 2, 3, 1))
    assert data.judged_labels is labels


def test_a_scan_of_many_frames_comes_as_often_as_one_of_one_and_each_time_by_one_of_them():
    data = make_framed()
    seen: list[int] = []
    for epoch in range(30):
        order = epoch_order(data, 0, epoch)
        assert np.bincount(data.train_scans[order]).tolist() == [1] * 8
        assert np.array_equal(order, epoch_order(data, 0, epoch)), "the same in a run that is resumed"
        seen += order.tolist()
    assert set(seen) == set(range(16)), "all frames have their turn"
    assert data.prevalence == (0.5, 0.5)


def test_rare_scans_are_balanced_by_scans_and_not_by_frames():
    tiles, labels, scans = framed([1, 8, 1, 8, 1, 8])
    data = TrainData(tiles, labels, tiles, labels, 2, scans, scans)
    assert data.prevalence == (0.5, 0.5)
    assert np.bincount(labels[epoch_order(data, 0, 0)]).tolist() == [3, 3]


@pytest.mark.parametrize("frozen", [0, 1])
def test_validation_judges_scans_by_the_mean_of_their_frames(frozen, monkeypatch):
    know_weights(monkeypatch)
    data = make_framed()
    result = fit(data, tiny_config(pretrained=bool(frozen), frozen_epochs=frozen), device="cpu")
    assert result.val_logits.shape == (8, 2)
    network = restored(COMPACT, 2, result.state_dict, 1)
    each = predict_logits(network, result.preprocess, data.val_tiles)
    assert np.allclose(result.val_logits, of_each_scan(each, data.val_scans), atol=1e-5)
    guess = of_each_scan(each, data.val_scans).argmax(axis=1)
    best = result.history[result.best_epoch - 1]
    assert best.val_accuracy == pytest.approx(float((guess == data.judged_labels).mean()), abs=1e-6)


def test_a_part_that_chose_nothing_calibrates_by_scans():
    data = make_framed()
    config = tiny_config(epochs=1)
    result = fit(data, config, device="cpu")
    division = Division(np.array([0, 1, 2, 3]), np.array([4, 5, 6, 7]), held_out=True)
    groups = tuple("abcdefgh")
    scans = scans_of(division, result, config, data.val_tiles, data.judged_labels, groups, data.val_scans)
    assert np.allclose(scans.logits, result.val_logits[4:], atol=1e-5)
    assert (scans.labels.tolist(), scans.groups) == ([0, 1, 0, 1], ("e", "f", "g", "h"))


def test_no_fold_parts_the_frames_of_a_scan():
    counts = [1, 3, 2, 1] * 6
    (a, b, c), (d, e, f) = framed(counts), framed([1, 3] * 2, seed=1)
    data = TrainData(a, b, d, e, 2, c, f)
    groups = [f"t{scan}" for scan in c] + [f"v{scan}" for scan in f]
    config = tiny_config(epochs=1, folds=3)
    everything = folds.all_scans(data)
    assert everything.tolist() == [*c.tolist(), *(f + 24).tolist()]
    for leg in folds.legs(data, config, groups, "cpu"):
        own = leg.data()
        for scans, tiles in ((own.train_scans, own.train_tiles), (own.val_scans, own.val_tiles)):
            assert len(scans) == len(tiles)
            assert np.array_equal(np.unique(scans), np.arange(scans.max() + 1)), "counted from 0 without gaps"
    trained = train(data, config, Watch(lambda *_: None, lambda *_: None, lambda: False), groups=groups, device="cpu")
    assert trained.out_of_fold.shape == (1, len(groups), 2), "of pictures: the process puts them together"
