"""What each cut-off gives, against counting by hand and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from models_registry.statistics.cutoffs import STEPS, Cases, bands, table
from models_registry.statistics.resampling import Groups


def cases(n: int = 200, seed: int = 0) -> Cases:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    scores = np.clip(rng.normal(0.35 + 0.3 * positive, 0.2), 0, 1)
    return Cases(scores, positive, Groups.of([i // 2 for i in range(n)]))


def test_each_row_counts_a_scan_as_positive_from_its_cut_off_on():
    known = cases()
    rows = table(known, n_boot=50)
    assert len(rows) == STEPS + 1
    for row in rows[::10]:
        above = known.scores >= row["cutoff"]
        assert row["tp"] == int((above & known.positive).sum())
        assert row["fp"] == int((above & ~known.positive).sum())
        assert row["tp"] + row["fn"] == int(known.positive.sum())
        assert row["fp"] + row["tn"] == int((~known.positive).sum())
        entry = row["sensitivity"]
        assert entry["value"] == pytest.approx(row["tp"] / (row["tp"] + row["fn"]), abs=1e-4)
        assert entry["low"] <= entry["value"] <= entry["high"]


def test_where_nearly_no_scan_is_above_there_is_no_predictive_value():
    rows = table(cases(), n_boot=50)
    assert rows[-1]["tp"] + rows[-1]["fp"] < 5
    assert rows[-1]["ppv"] is None
    assert rows[0]["npv"] is None


def test_all_alike_has_an_interval_of_the_patients_and_no_certainty():
    """Nothing is below 0: sensitivity is 1 in every resample."""
    first = table(cases(), n_boot=50)[0]["sensitivity"]
    assert first["value"] == first["high"] == 1
    assert 0.9 < first["low"] < 1


def test_the_band_lies_around_the_curve_that_scikit_learn_draws():
    known = cases(400)
    fpr, tpr, _ = roc_curve(known.positive, known.scores)
    found = bands(known, n_boot=200)
    assert all(low - 1e-9 <= np.interp(x, fpr, tpr) <= high + 0.02 for x, low, high in found["roc"][1:])
    assert all(0 <= low <= high <= 1 for _, low, high in found["pr"])


def test_few_patients_have_no_band_and_no_interval():
    few = Cases(np.array([0.2, 0.9, 0.4, 0.8] * 3), np.array([False, True] * 6), Groups.of([0, 1, 2, 3] * 3))
    assert bands(few) == {"roc": [], "pr": []}
    assert "low" not in table(few)[50]["sensitivity"]
