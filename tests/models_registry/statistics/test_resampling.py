"""Intervals over patients: that they hold what they promise, and what becomes of degenerate data."""

import numpy as np
import pytest

from models_registry.statistics.metrics import evaluation_report
from models_registry.statistics.resampling import Groups, holm, interval, p_value, weights


def clustered(rng: np.random.Generator, patients: int, rate: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong of a varying number of scans of patients who differ (beta-binomial), and the patient of each."""
    sizes = rng.integers(1, 6, patients)
    rates = rng.beta(rate * spread, (1 - rate) * spread, patients)
    return rng.random(sizes.sum()) < rates.repeat(sizes), np.arange(patients).repeat(sizes)


def as_probabilities(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(len(right)) % 2
    said = np.where(right, y, 1 - y)
    return y, np.where(said[:, None] == [[0, 1]], 0.8, 0.2)


def test_the_interval_of_accuracy_holds_the_truth_as_often_as_it_says():
    """300 data sets of 60 patients: at 95 % nominal the percentile bootstrap covers 92 to 95 %. Below 0.89 or above 0.985
    lie more than two standard errors of a simulated share; treating scans as independent covers far less."""
    rng, truth = np.random.default_rng(7), 0.8
    held = {"patients": 0, "scans": 0}
    for seed in range(300):
        right, patient = clustered(rng, 60, truth, 1.0)
        for name, groups in (("patients", patient), ("scans", np.arange(len(right)))):
            # The figure alone: a whole report of each data set would take minutes.
            drawn = [w @ right / w.sum(axis=1) for w in weights(Groups.of(list(groups)), 200, seed)]
            low, high = interval(np.concatenate(drawn)) or (1, 0)
            held[name] += low <= truth <= high
    assert 0.89 <= held["patients"] / 300 <= 0.985
    assert held["scans"] < held["patients"] - 15


def test_the_reports_interval_is_that_of_the_resampled_figure():
    right, patient = clustered(np.random.default_rng(1), 40, 0.8, 2.0)
    y, p = as_probabilities(right)
    entry = evaluation_report(y, p, list(patient), ["A", "B"], n_boot=200, seed=3)["accuracy"]
    drawn = np.concatenate([w @ right / w.sum(axis=1) for w in weights(Groups.of(list(patient)), 200, 3)])
    assert (entry["low"], entry["high"]) == pytest.approx(interval(drawn), abs=1e-12)


def test_one_patient_has_figures_but_no_interval():
    y, p = as_probabilities(np.arange(40) % 4 > 0)
    found = evaluation_report(y, p, ["the same"] * 40, ["A", "B"])
    assert (found["n_groups"], found["accuracy"]["value"], found["accuracy"]["low"]) == (1, 0.75, None)
    assert "only 1 groups" in found["accuracy"]["reason"]


def test_every_resample_draws_as_many_patients_as_there_are():
    groups = Groups.of([1, 1, 2, 3, 4, 5, 6, 6])
    (drawn,) = weights(groups, 50, 0)
    first_of_each = [0, 2, 3, 4, 5, 6]
    assert (drawn[:, first_of_each].sum(axis=1) == 6).all()
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert groups.repeat
    assert not Groups.of([1, 2, 3]).repeat


def test_resamples_in_many_chunks_are_as_many_as_asked_for(monkeypatch):
    monkeypatch.setattr("models_registry.statistics.resampling.CHUNK_CELLS", 70)
    assert [len(w) for w in weights(Groups.of(list(range(10))), 17, 0)] == [7, 7, 3]


def test_an_interval_needs_a_figure_in_half_of_the_resamples():
    nothing = np.nan
    assert interval(np.array([1.0, nothing, nothing])) is None
    assert interval(np.array([1.0, 1.0, nothing])) == (1.0, 1.0)


def test_p_is_the_level_at_which_the_interval_ends_at_nought():
    drawn = np.linspace(-0.02, 0.98, 1001)
    low = np.quantile(drawn, p_value(drawn) / 2)
    assert abs(low) < 2e-3
    assert p_value(np.full(999, 0.1)) == pytest.approx(2 / 1000)
    assert p_value(np.zeros(99)) == 1.0


def test_holms_correction_is_the_published_one():
    """The example of Holm's procedure with four hypotheses (0.01, 0.04, 0.03, 0.005)."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
