"""Kappas and their intervals are those of statsmodels; what is not defined is not available."""

import numpy as np
import pytest

from labeling.agreement import figures, kappa
from labeling.agreement.figures import Scan
from labeling.agreement.intervals import ALL_AGREE, ONE_CLASS, TOO_FEW, share

TABLES = [
    [[20, 5], [10, 15]],
    [[1, 0, 0], [0, 30, 2], [4, 3, 7]],
    [[44, 5, 1], [7, 20, 3], [9, 5, 6]],
    [[9, 1, 0, 0], [2, 7, 3, 0], [0, 4, 11, 1], [1, 0, 2, 8]],
]


@pytest.mark.parametrize("table", TABLES, ids=str)
@pytest.mark.parametrize("kind", kappa.WEIGHTS)
def test_cohen_and_its_asymptotic_interval_equal_statsmodels(table, kind):
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    theirs = inter_rater.cohens_kappa(np.array(table), wt=None if kind == "none" else kind)
    weights = kappa.weights_of(kind, len(table))
    assert float(kappa.cohen(table, weights)) == pytest.approx(theirs.kappa, abs=1e-9)
    low, high = kappa.cohen_interval(table, weights)
    assert (low, high) == pytest.approx((theirs.kappa_low, theirs.kappa_upp), abs=1e-9)


@pytest.mark.parametrize("readers", [2, 3, 5])
def test_fleiss_equals_statsmodels(readers):
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    random = np.random.default_rng(readers)
    counts = random.multinomial(readers, [0.5, 0.3, 0.2], size=60)
    assert kappa.fleiss_of(counts) == pytest.approx(inter_rater.fleiss_kappa(counts), abs=1e-9)


def test_known_values_hold_without_statsmodels():
    # Cohen 1960's kind of table; Fleiss 1971, table 1 of Wikipedia: 0.210.
    assert float(kappa.cohen([[20, 5], [10, 15]], np.eye(2))) == pytest.approx(0.4)
    fleiss_1971 = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert kappa.fleiss_of(fleiss_1971) == pytest.approx(0.2099307, abs=1e-7)


def read_by(n: int, right: float, *, patients: int | None = None, seed: int = 0) -> list[Scan]:
    """So many scans read by two, the second of whom says the same so often."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, n)
    same = random.random(n) < right
    return [
        Scan(f"p{i % (patients or n)}", {1: int(c), 2: int(c if alike else 1 - c)})
        for i, (c, alike) in enumerate(zip(truth, same, strict=True))
    ]


def test_the_bootstrap_agrees_with_the_asymptotic_interval_where_that_holds():
    (pair,) = figures.of_pairs(read_by(400, 0.85), 2, "none")
    low, high = pair.asymptotic
    assert (pair.kappa.low, pair.kappa.high) == pytest.approx((low, high), abs=0.03)
    percent, fleiss = figures.of_several(read_by(400, 0.85), 2)
    assert percent.low < percent.value < percent.high
    assert fleiss.value == pytest.approx(pair.kappa.value, abs=0.01)


def test_scans_of_one_patient_are_drawn_together():
    """Ten scans of each patient that are all right or all wrong: as many witnesses as patients, not as scans."""
    scans = [Scan(f"p{i // 10}", {1: i % 2, 2: i % 2 if i // 10 % 3 else 1 - i % 2}) for i in range(300)]
    alone = [Scan(f"s{i}", scan.said) for i, scan in enumerate(scans)]
    (together,), (apart,) = figures.of_pairs(scans, 2, "none"), figures.of_pairs(alone, 2, "none")
    assert together.kappa.value == apart.kappa.value
    assert together.kappa.high - together.kappa.low > 2 * (apart.kappa.high - apart.kappa.low)


def test_what_cannot_be_said_is_not_available():
    assert figures.of_several(read_by(9, 0.5), 2)[1].why == TOO_FEW
    one_class = [Scan(f"s{i}", {1: 0, 2: 0}) for i in range(30)]
    assert figures.of_several(one_class, 2)[1].why == ONE_CLASS
    (pair,) = figures.of_pairs(read_by(30, 1.0), 2, "none")
    assert (pair.kappa.value, pair.kappa.low, pair.kappa.why) == (1.0, None, ALL_AGREE)
    assert pair.percent.low == pytest.approx(0.886, abs=0.001)
    assert share([], []).value is None
    assert figures.of_several([], 2)[0].value is None


def test_unequal_numbers_of_readers_count_each_scan_once():
    scans = [
        Scan(f"s{i}", {1: i % 2, 2: i % 2, 3: i % 2} if i % 2 else {1: 0, 2: 1 if i % 4 else 0}) for i in range(40)
    ]
    percent, fleiss = figures.of_several(scans, 2)
    assert percent.value == pytest.approx(0.75)
    assert fleiss.value < 0.75
    assert figures.of_class(scans, 2, 1).value == pytest.approx(fleiss.value)
