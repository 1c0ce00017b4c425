"""Folds: who stands in them, what their networks learn from, and how many there are."""

import numpy as np
import pytest

from tests.training.engine.test_ensemble import GROUPS, make_data, small
from training.engine import folds
from training.engine.config import ConfigError
from training.engine.data import TrainData
from training.engine.device import Device
from training.engine.ensemble import train
from training.engine.series import Watch


def test_folds_part_patients_and_are_the_same_in_every_run():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    groups = [f"p{n}" for n in rng.integers(0, 40, 120)]
    parts = folds.assign(labels, groups, 5, 3)
    assert np.array_equal(parts, folds.assign(labels, groups, 5, 3))
    assert not np.array_equal(parts, folds.assign(labels, groups, 5, 4))
    assert set(parts.tolist()) == {0, 1, 2, 3, 4}
    for group in set(groups):
        assert len(set(parts[np.asarray(groups) == group].tolist())) == 1
    shares = [np.bincount(labels[parts == fold], minlength=3).min() for fold in range(5)]
    assert min(shares) > 0, "every class in every fold"


def test_the_inner_part_that_chooses_an_epoch_is_parted_by_patient_too():
    labels = np.arange(60) % 2
    groups = [f"p{n // 4}" for n in range(60)]
    chosen = folds.inner(labels, groups, 1)
    assert 0 < chosen.sum() < 20
    names = np.asarray(groups)
    assert not set(names[chosen].tolist()) & set(names[~chosen].tolist())


def test_a_fold_learns_and_chooses_without_its_held_out_scans(monkeypatch):
    data, config = make_data(16, 8), small(folds=3)
    marked = np.concatenate([data.train_tiles, data.val_tiles])
    marked[:, 0, 0] = np.arange(24)
    data = TrainData(marked[:16], data.train_labels, marked[16:], data.val_labels, 2)
    parts = folds.assign(folds.all_labels(data), GROUPS, 3, config.seed)
    for fold, leg in enumerate(folds.legs(data, config, GROUPS)):
        own = leg.data()
        train, val = own.train_tiles[:][:, 0, 0], own.val_tiles[:][:, 0, 0]
        seen = sorted([*train.tolist(), *val.tolist()])
        assert seen == np.flatnonzero(parts != fold).tolist()
        labels = folds.all_labels(data)
        assert own.train_labels.tolist() == labels[train].tolist()
        assert own.val_labels.tolist() == labels[val].tolist()


def test_the_first_network_of_every_fold_is_that_of_a_run_with_one_network():
    data = make_data(16, 8)
    one, two = (folds.legs(data, small(members=members, folds=2), GROUPS) for members in (1, 2))
    assert [leg.name for leg in one] == ["fold 1", "fold 2"]
    assert [leg.config for leg in two[::2]] == [leg.config for leg in one]
    assert len({leg.config.seed for leg in two}) == 4


def test_held_out_scans_are_scored_on_the_device_of_the_run(monkeypatch):
    # As on a machine whose GPU is not for this run: here an attempt to use it fails.
    monkeypatch.setattr(Device, "of", classmethod(lambda cls, name=None, **_: cls(name or "cuda")))
    watch = Watch(lambda *_: None, lambda _: None, lambda: False)
    trained = train(make_data(16, 8), small(folds=2, epochs=1), watch, groups=GROUPS, device="cpu")
    assert trained.out_of_fold is not None
    assert np.isfinite(trained.out_of_fold).all()


def test_too_few_patients_for_the_folds_are_refused_with_what_to_do():
    with pytest.raises(ConfigError, match="class 0 has scans of 3 patients, 5 folds need 5") as refused:
        folds.assign(np.array([0, 0, 0, 1, 1, 1, 1, 1]), list("aabcdefgh")[1:], 5, 0)
    assert refused.value.field == "folds"
    with pytest.raises(ConfigError, match="0 groups for 24 scans"):
        folds.legs(make_data(16, 8), small(folds=2), [])
