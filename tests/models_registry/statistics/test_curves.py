"""Points of curves, against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sk

from models_registry.statistics.availability import reasons
from models_registry.statistics.curves import MAX_POINTS, curves, pr_points, roc_points


def scored(n: int, decimals: int = 9, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    own = rng.random(n) < 0.4
    return np.round(1 / (1 + np.exp(-rng.normal(size=n) - own)), decimals), own


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_a_short_curve_has_scikit_learns_points(decimals):
    scores, own = scored(120, decimals)
    fpr, tpr, _ = sk.roc_curve(own, scores, drop_intermediate=False)
    area = roc_points(scores, own)
    assert sk.auc(*area.T) == pytest.approx(sk.roc_auc_score(own, scores), abs=1e-12)
    assert {tuple(point) for point in area.round(12)} <= {
        tuple(point) for point in np.column_stack((fpr, tpr)).round(12)
    }
    precision, recall, _ = sk.precision_recall_curve(own, scores)
    assert np.allclose(pr_points(scores, own), np.column_stack((recall, precision))[::-1])


def test_a_long_curve_keeps_its_ends_and_its_area():
    scores, own = scored(6000)
    roc, pr = roc_points(scores, own), pr_points(scores, own)
    assert len(roc) <= MAX_POINTS
    assert len(pr) <= MAX_POINTS
    assert roc[0].tolist() == [0, 0]
    assert roc[-1].tolist() == [1, 1]
    assert pr[0].tolist() == [0, 1]
    assert pr[-1].tolist() == [1, own.mean()]
    assert (np.diff(roc, axis=0) >= 0).all()
    assert sk.auc(*roc.T) == pytest.approx(sk.roc_auc_score(own, scores), abs=2e-3)


def test_a_perfect_and_a_useless_score_have_the_corners_only():
    own = np.array([False] * 5 + [True] * 5)
    assert roc_points(own.astype(float), own).tolist() == [[0, 0], [0, 1], [1, 1]]
    assert roc_points(np.zeros(10), own).tolist() == [[0, 0], [1, 1]]


def test_two_classes_have_one_curve_more_have_one_each_and_too_few_cases_have_none():
    rng = np.random.default_rng(0)
    y = np.array([0] * 20 + [1] * 20 + [2] * 2)
    p = rng.dirichlet(np.ones(3), 42)
    found = curves(y, p, ["A", "B", "C"], reasons(y, p, None, ["A", "B", "C"]))
    assert [(entry["class"], bool(entry["points"])) for entry in found["roc"]] == [
        ("A", True),
        ("B", True),
        ("C", False),
    ]
    assert "2 cases" in found["roc"][2]["reason"]
    two = y < 2
    found = curves(y[two], p[two, :2], ["A", "B"], {})
    assert [entry["class"] for entry in found["pr"]] == ["B"]
    only = curves(np.zeros(9, dtype=int), np.full((9, 2), 0.5), ["A", "B"], {})
    assert only["roc"][0]["points"] == []
