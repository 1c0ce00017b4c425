import math
from dataclasses import replace

import numpy as np
import pytest

from training.engine import ranking
from training.engine.report import EpochReport


def report(
    epoch: int, auroc: float | None, loss: float = 1.0, error: float | None = None, rate: float = 1e-3
) -> EpochReport:
    rest = {"train_loss": 1.0, "val_accuracy": 0.5, "val_balanced_accuracy": 0.5, "learning_rate": rate}
    values = {"phase": "full", "val_auroc": auroc, "val_loss": loss, "val_auroc_error": error, "seconds": 1.0, **rest}
    return EpochReport(epoch=epoch, epochs=9, **values)


def test_the_error_of_an_auroc_is_delongs():
    rng = np.random.default_rng(3)
    y = (np.arange(60) % 3 == 0).astype(np.int64)
    scores = np.clip(rng.normal(0.4 + 0.2 * y, 0.2), 0, 1).round(2)
    own, rest = scores[y == 1], scores[y == 0]
    wins = (own[:, None] > rest).astype(float) + 0.5 * (own[:, None] == rest)
    expected = math.sqrt(wins.mean(axis=1).var(ddof=1) / len(own) + wins.mean(axis=0).var(ddof=1) / len(rest))
    found = ranking.auroc_error(y, np.stack([1 - scores, scores], axis=1))
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_error_of_a_macro_auroc_is_the_mean_of_the_classes_and_none_where_scans_are_missing():
    rng = np.random.default_rng(4)
    y = np.arange(30) % 3
    shares = rng.dirichlet((1, 1, 1), 30)
    single = [ranking.auroc_error((y == k).astype(np.int64), np.stack([1 - s, s], 1)) for k, s in enumerate(shares.T)]
    assert ranking.auroc_error(y, shares) == pytest.approx(np.mean([e for e in single if e is not None]))
    assert ranking.auroc_error(np.array([0, 0, 0, 1]), shares[:4, :2]) is None
    assert ranking.auroc_error(np.array([0, 1, 1, 1]), shares[:4, :2]) is None


def test_an_interval_stays_within_what_an_auroc_can_be_and_is_missing_where_nothing_varies():
    assert ranking.interval(0.9, 0.1) == (pytest.approx(0.704, abs=1e-3), 1.0)
    assert ranking.interval(1.0, 0.0) == ranking.interval(None, None) == ranking.interval(0.9, None) == (None, None)


@pytest.mark.parametrize(
    ("now", "best", "takes_over"),
    [
        (report(2, 0.90), report(1, 0.80, error=0.03), True),  # beyond the noise, whatever the loss
        (report(2, 0.81, 0.9, 0.03), report(1, 0.80, 1.0, error=0.03), True),  # within it, lower loss
        (report(2, 0.79, 0.9), report(1, 0.80, 1.0, error=0.03), True),
        (report(2, 0.81, 1.1, 0.03), report(1, 0.80, 1.0, error=0.03), False),  # within it, higher loss
        (report(2, 0.70, 0.1), report(1, 0.80, 1.0, error=0.03), False),  # worse beyond it
        (report(2, 1.00, 0.9), report(1, 1.00, 1.0, error=0.0), True),  # perfect twice: the loss tells
        (report(2, None, 0.9), report(1, None, 1.0), True),
        (report(2, None, 1.1), report(1, None, 1.0), False),
    ],
)
def test_the_best_epoch_has_the_lowest_loss_among_those_that_the_auroc_cannot_tell_apart(now, best, *, takes_over):
    assert ranking.leads(now, best, [best]) is takes_over
    assert ranking.leads(now, None, [])


def test_many_small_losses_of_auroc_do_not_add_up_to_a_best_epoch():
    history = [report(1, 0.90, 1.0, 0.02), report(2, 0.885, 0.9, 0.02)]
    assert ranking.leads(history[1], history[0], history[:1])
    assert not ranking.leads(report(3, 0.87, 0.8, 0.02), history[1], history)


def test_an_epoch_whose_rate_has_come_down_goes_before_others_that_the_auroc_cannot_tell_from_it():
    high, low = report(1, 0.92, 0.3, 0.02, rate=1e-3), report(2, 0.91, 0.5, 0.02, rate=1e-4)
    assert ranking.leads(low, high, [high])
    worse = report(2, 0.89, 0.2, 0.02, rate=1e-4)
    assert not ranking.leads(worse, high, [high])
    # A warm-up starts low, but its peak is yet to come; a head learns at a rate of its own.
    assert ranking.annealed(low, [high, low])
    assert not ranking.annealed(high, [high, low])
    warm = report(1, 0.9, rate=1e-5)
    assert not ranking.annealed(warm, [warm, report(2, 0.9, rate=1e-3)])
    head = replace(report(1, 0.9, rate=1e-1), phase="frozen")
    full = report(2, 0.9, rate=1e-3)
    assert not ranking.annealed(full, [head, full])


def test_a_gain_within_the_noise_is_no_gain_but_small_gains_add_up():
    flat = [report(n, 0.90 + 0.001 * (n % 2), error=0.02) for n in range(1, 7)]
    assert ranking.epochs_without_gain(flat, first=2) == 4
    rising = [report(n, 0.80 + 0.015 * n, error=0.02) for n in range(1, 8)]
    assert ranking.epochs_without_gain(rising, first=1) <= 1
    assert ranking.epochs_without_gain([], first=3) == 0
    assert ranking.epochs_without_gain(flat, first=6) == 0


def test_what_one_scan_of_the_smallest_class_may_move_is_no_gain():
    y = np.array([0] * 30 + [1] * 4)
    assert ranking.one_scan(y, 2) == 1 / 4
    assert ranking.one_scan(np.array([0] * 30 + [1] * 4 + [2] * 2), 3) == pytest.approx(1 / 6)
    # A class that is not there says nothing of how much one scan can move.
    assert ranking.one_scan(y, 3) == pytest.approx(1 / 12)
    early, late = report(1, 1.0, 0.9), report(2, 0.95, 0.5, rate=1e-4)
    assert not ranking.leads(late, early, [early])
    few = [replace(one, val_auroc_one=0.25) for one in (early, late)]
    assert ranking.leads(few[1], few[0], few[:1])
