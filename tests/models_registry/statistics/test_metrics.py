import json
import time

import numpy as np
import pytest
from sklearn import metrics as sk

from models_registry.statistics.calibration import softmax
from models_registry.statistics.metrics import evaluation_report, macro_auroc
from models_registry.statistics.weighted import figures


def cases(n: int, k: int, seed: int = 0, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities with ties, informative but wrong now and then."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    p = softmax(rng.normal(size=(n, k)) + 1.2 * np.eye(k)[y])
    p = np.round(p, decimals)
    return y, p / p.sum(axis=1, keepdims=True)


def report(y: np.ndarray, p: np.ndarray, **options):
    names = [f"C{i}" for i in range(p.shape[1])]
    return evaluation_report(y, p, options.pop("groups", list(range(len(y)))), names, **{"n_boot": 20, **options})


def values(result) -> dict[str, float]:
    return {name: entry["value"] for name, entry in result.items() if isinstance(entry, dict) and "value" in entry}


def test_two_class_figures_are_those_of_scikit_learn():
    y, p = cases(300, 2)
    guess = p.argmax(axis=1)
    got = values(report(y, p))
    wanted = {
        "accuracy": sk.accuracy_score(y, guess),
        "balanced_accuracy": sk.balanced_accuracy_score(y, guess),
        "auroc": sk.roc_auc_score(y, p[:, 1]),
        "auprc": sk.average_precision_score(y, p[:, 1]),
        "sensitivity": sk.recall_score(y, guess),
        "specificity": sk.recall_score(y, guess, pos_label=0),
        "ppv": sk.precision_score(y, guess),
        "npv": sk.precision_score(y, guess, pos_label=0),
        "f1": sk.f1_score(y, guess),
        "precision": sk.precision_score(y, guess),
        "recall": sk.recall_score(y, guess),
        "brier": sk.brier_score_loss(y, p[:, 1]),
    }
    for name, value in wanted.items():
        assert got[name] == pytest.approx(value, abs=1e-6), name


def test_figures_of_several_classes_are_scikit_learns_macro_means():
    y, p = cases(400, 4)
    guess, truth = p.argmax(axis=1), np.eye(4)[y]
    got = values(report(y, p))
    wanted = {
        "accuracy": sk.accuracy_score(y, guess),
        "balanced_accuracy": sk.balanced_accuracy_score(y, guess),
        "auroc": sk.roc_auc_score(y, p, multi_class="ovr"),
        "auprc": sk.average_precision_score(truth, p, average="macro"),
        "precision": sk.precision_score(y, guess, average="macro"),
        "recall": sk.recall_score(y, guess, average="macro"),
        "f1": sk.f1_score(y, guess, average="macro"),
        "brier": sk.brier_score_loss(y, p),
    }
    for name, value in wanted.items():
        assert got[name] == pytest.approx(value, abs=1e-6), name


def test_weighted_figures_are_scikit_learns_with_sample_weights():
    y, p = cases(120, 2)
    weights = np.random.default_rng(3).integers(0, 4, (1, 120)).astype(float)
    got = {name: float(value[0]) for name, value in figures(y, p, weights, None, 10).items()}
    w, guess = weights[0], p.argmax(axis=1)
    assert got["auroc"] == pytest.approx(sk.roc_auc_score(y, p[:, 1], sample_weight=w), abs=1e-9)
    assert got["auprc"] == pytest.approx(sk.average_precision_score(y, p[:, 1], sample_weight=w), abs=1e-9)
    assert got["f1"] == pytest.approx(sk.f1_score(y, guess, sample_weight=w), abs=1e-9)


def test_the_confusion_matrix_has_the_truth_in_rows():
    y, p = cases(200, 3)
    assert report(y, p)["confusion_matrix"] == sk.confusion_matrix(y, p.argmax(axis=1)).tolist()


def test_per_class_figures_stand_under_the_name_of_the_class():
    y, p = cases(200, 3)
    second = report(y, p)["per_class"][1]
    assert (second["class"], second["n"]) == ("C1", int((y == 1).sum()))
    assert second["auroc"]["value"] == pytest.approx(sk.roc_auc_score(y == 1, p[:, 1]), abs=1e-9)


def test_the_interval_holds_the_figure_and_narrows_with_more_cases():
    widths = []
    for n in (60, 960):
        y, p = cases(n, 2)
        entry = report(y, p, n_boot=400)["accuracy"]
        assert entry["low"] <= entry["value"] <= entry["high"]
        widths.append(entry["high"] - entry["low"])
    assert widths[1] < widths[0] / 2.5


def test_many_scans_of_few_patients_widen_the_interval():
    y, p = cases(30, 2)
    y, p = np.repeat(y, 8), np.repeat(p, 8, axis=0)
    alone = report(y, p, n_boot=400)["accuracy"]
    clustered = report(y, p, n_boot=400, groups=[f"patient {i // 8}" for i in range(240)])["accuracy"]
    assert clustered["value"] == alone["value"]
    assert clustered["high"] - clustered["low"] > 2 * (alone["high"] - alone["low"])


def test_the_same_seed_gives_the_same_intervals():
    y, p = cases(80, 2)
    assert report(y, p, seed=4) == report(y, p, seed=4)
    assert report(y, p, seed=4)["auroc"] != report(y, p, seed=5)["auroc"]


def test_a_class_with_too_few_cases_makes_its_figures_not_available():
    y, p = cases(60, 2)
    keep = (y == 0) | (np.cumsum(y == 1) <= 3)
    got = report(y[keep], p[keep])
    for name in ("sensitivity", "recall", "auroc", "auprc", "f1", "balanced_accuracy"):
        assert got[name]["value"] is None, name
        assert "class C1 has 3 cases" in got[name]["reason"]
    assert got["accuracy"]["value"] is not None
    assert got["specificity"]["value"] is not None


def test_an_empty_test_set_gives_a_report_without_figures():
    got = report(np.zeros(0, dtype=int), np.zeros((0, 2)), refer_threshold=0.8)
    assert got["n"] == got["n_groups"] == 0
    assert set(values(got).values()) == {None}
    assert got["confusion_matrix"] == [[0, 0], [0, 0]]


def test_few_patients_give_a_figure_without_an_interval():
    y, p = cases(60, 2)
    entry = report(y, p, groups=[i % 3 for i in range(60)])["accuracy"]
    assert entry["value"] is not None
    assert entry["low"] is None
    assert "only 3 groups" in entry["reason"]


def test_referral_figures_are_the_share_answered_and_its_accuracy():
    y, p = cases(200, 2)
    got = report(y, p, refer_threshold=0.7)
    answered = p.max(axis=1) >= 0.7
    assert got["coverage"]["value"] == pytest.approx(answered.mean())
    assert got["answered_accuracy"]["value"] == pytest.approx((p.argmax(axis=1) == y)[answered].mean())
    assert "coverage" not in report(y, p)


def test_a_report_is_plain_json():
    y, p = cases(50, 3)
    assert json.loads(json.dumps(report(y, p, refer_threshold=0.5), allow_nan=False))["n"] == 50


def test_a_thousand_resamples_of_six_hundred_cases_take_seconds_not_minutes():
    y, p = cases(600, 2, decimals=9)
    began = time.process_time()
    report(y, p, n_boot=1000, refer_threshold=0.7)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("y", "p", "groups", "said"),
    [
        ([0, 1], [[0.5, 0.5]], [1, 2], "probabilities must be"),
        ([0, 1], [[0.5, 0.5]] * 2, [1], "groups"),
        ([0, 2], [[0.5, 0.5]] * 2, [1, 2], "labels must be"),
        ([0, 1], [[0.5, float("nan")]] * 2, [1, 2], "finite"),
    ],
)
def test_input_that_does_not_fit_together_is_refused(y, p, groups, said):
    with pytest.raises(ValueError, match=said):
        evaluation_report(y, p, groups, ["A", "B"])


def test_auroc_is_not_available_when_a_class_is_missing():
    assert macro_auroc([0, 0], [[0.5, 0.5], [0.1, 0.9]]) is None
