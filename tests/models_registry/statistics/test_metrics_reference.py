"""Every figure against two other makers, scikit-learn and torchmetrics, on ties, imbalance and several classes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torchmetrics.functional import classification as tm

from models_registry.statistics.calibration import softmax
from models_registry.statistics.metrics import evaluation_report
from models_registry.statistics.weighted import figures

CLOSE = 1e-6
KINDS = {
    "two classes": {"n": 300, "k": 2},
    "two classes, tied": {"n": 300, "k": 2, "decimals": 1},
    "two classes, one of them rare": {"n": 400, "k": 2, "shares": (0.95, 0.05)},
    "four classes": {"n": 400, "k": 4},
    "four classes, tied": {"n": 400, "k": 4, "decimals": 1},
    "three classes, one of them rare": {"n": 500, "k": 3, "shares": (0.75, 0.2, 0.05)},
}


def cases(
    n: int, k: int, *, seed: int = 0, decimals: int = 9, shares: tuple[float, ...] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and probabilities (n, k) that are informative but often wrong; few decimals make ties."""
    rng = np.random.default_rng(seed)
    y = rng.choice(k, n, p=shares)
    p = softmax(np.round(rng.normal(size=(n, k)) + 1.2 * np.eye(k)[y], decimals))
    return y, p


def ours(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    return {name: float(value[0]) for name, value in figures(y, p, np.ones((1, len(y))), None, 10).items()}


def by_scikit_learn(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    guess, k = p.argmax(axis=1), p.shape[1]
    found = {
        "accuracy": sk.accuracy_score(y, guess),
        "balanced_accuracy": sk.balanced_accuracy_score(y, guess),
        "brier": sk.brier_score_loss(y, p[:, 1]) if k == 2 else sk.brier_score_loss(y, p),
    }
    for c in range(k):
        own, said, share = y == c, guess == c, p[:, c]
        found |= {
            f"{c}/auroc": sk.roc_auc_score(own, share),
            f"{c}/auprc": sk.average_precision_score(own, share),
            f"{c}/sensitivity": sk.recall_score(own, said),
            f"{c}/specificity": sk.recall_score(own, said, pos_label=False),
            f"{c}/ppv": sk.precision_score(own, said),
            f"{c}/npv": sk.precision_score(own, said, pos_label=False),
            f"{c}/f1": sk.f1_score(own, said),
        }
    names = ("auroc", "auprc", "sensitivity", "specificity", "ppv", "npv", "f1")
    single = {name: found[f"1/{name}"] for name in names}
    mean = {name: float(np.mean([found[f"{c}/{name}"] for c in range(k)])) for name in names}
    return found | (single if k == 2 else mean)


def by_torchmetrics(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    shares, labels, k = torch.from_numpy(p), torch.from_numpy(y), p.shape[1]
    if k == 2:
        one = shares[:, 1]
        found = {
            "auroc": tm.binary_auroc(one, labels),
            "auprc": tm.binary_average_precision(one, labels),
            "sensitivity": tm.binary_recall(shares.argmax(1), labels),
            "specificity": tm.binary_specificity(shares.argmax(1), labels),
            "ppv": tm.binary_precision(shares.argmax(1), labels),
            "npv": tm.binary_negative_predictive_value(shares.argmax(1), labels),
            "f1": tm.binary_f1_score(shares.argmax(1), labels),
        }
    else:
        of_classes = {"num_classes": k, "average": "macro"}
        found = {
            "auroc": tm.multiclass_auroc(shares, labels, **of_classes),
            "auprc": tm.multiclass_average_precision(shares, labels, **of_classes),
            "sensitivity": tm.multiclass_recall(shares, labels, **of_classes),
            "specificity": tm.multiclass_specificity(shares, labels, **of_classes),
            "ppv": tm.multiclass_precision(shares, labels, **of_classes),
            "f1": tm.multiclass_f1_score(shares, labels, **of_classes),
        }
    found |= {
        "accuracy": tm.multiclass_accuracy(shares, labels, num_classes=k, average="micro"),
        "balanced_accuracy": tm.multiclass_accuracy(shares, labels, num_classes=k, average="macro"),
        "ece": tm.multiclass_calibration_error(shares, labels, num_classes=k, n_bins=10, norm="l1"),
    }
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_is_scikit_learns(kind):
    y, p = cases(**KINDS[kind])
    assert_same(ours(y, p), by_scikit_learn(y, p))


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_is_torchmetrics(kind):
    y, p = cases(**KINDS[kind])
    assert_same(ours(y, p), by_torchmetrics(y, p))


@pytest.mark.parametrize("kind", KINDS)
def test_the_confusion_matrix_is_that_of_both(kind):
    y, p = cases(**KINDS[kind])
    k = p.shape[1]
    got = evaluation_report(y, p, list(range(len(y))), [f"C{c}" for c in range(k)], n_boot=1)["confusion_matrix"]
    assert got == sk.confusion_matrix(y, p.argmax(axis=1)).tolist()
    theirs = tm.multiclass_confusion_matrix(torch.from_numpy(p), torch.from_numpy(y), num_classes=k)
    assert got == theirs.tolist()


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(20, 120),
    k=st.integers(2, 5),
    decimals=st.integers(0, 3),
    rare=st.floats(0.05, 1),
)
def test_any_cases_give_scikit_learns_figures(seed, n, k, decimals, rare):
    shares = np.array([rare, *np.ones(k - 1)])
    y, p = cases(n, k, seed=seed, decimals=decimals, shares=tuple(shares / shares.sum()))
    y[: 2 * k] = np.arange(2 * k) % k
    p[: 2 * k] = softmax(2 * np.eye(k)[y[: 2 * k]])
    assert_same(ours(y, p), by_scikit_learn(y, p))


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(10, 60), decimals=st.integers(0, 3))
def test_whole_weights_are_repeated_cases(seed, n, decimals):
    y, p = cases(n, 3, seed=seed, decimals=decimals)
    y[:3] = [0, 1, 2]
    times = np.random.default_rng(seed).integers(0, 4, n)
    times[:3] = 1
    weighted = figures(y, p, times[None].astype(float), None, 10)
    assert_same({name: float(value[0]) for name, value in weighted.items()}, ours(y.repeat(times), p.repeat(times, 0)))


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32 - 1), steps=st.sampled_from([4, 64, 4096]))
def test_naming_the_other_class_positive_swaps_the_figures(seed, steps):
    rng = np.random.default_rng(seed)
    y = np.append([0, 1], rng.integers(0, 2, 60))
    # Odd parts of a power of two: 1 - p is exact, and nobody is at one half, where the lower class would be named.
    one = (2 * rng.integers(0, steps, 62) + 1) / (2 * steps)
    found = ours(y, np.column_stack((1 - one, one)))
    for name, other in (("sensitivity", "specificity"), ("ppv", "npv"), ("auroc", "auroc")):
        assert found[f"0/{name}"] == pytest.approx(found[f"1/{other}"], abs=CLOSE, nan_ok=True)


def assert_same(got: dict[str, float], wanted: dict[str, float]) -> None:
    for name, value in wanted.items():
        assert got[name] == pytest.approx(value, abs=CLOSE, nan_ok=True), name
