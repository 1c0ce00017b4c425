"""DeLong's and McNemar's tests, against their definitions, examples worked by hand, scipy, and the bootstrap."""

import math

import numpy as np
import pytest
from scipy import stats

from models_registry.statistics.paired import delong, mcnemar, midranks


def scored(n: int, *, seed: int, better: float = 1.0, decimals: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positive or not, and two correlated scores; the second is of more use by ``better``."""
    rng = np.random.default_rng(seed)
    own, common = rng.random(n) < 0.4, rng.normal(size=n)
    scores = [np.round(common + rng.normal(size=n) + weight * own, decimals) for weight in (1.0, better)]
    return own, scores[0], scores[1]


def by_definition(own: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[list[float], np.ndarray]:
    """Areas and covariance matrix by the kernel, equations 3 to 6 of DeLong, DeLong & Clarke-Pearson (1988)."""
    areas, v10, v01 = [], [], []
    for scores in (first, second):
        x, y = scores[own][:, None], scores[~own][None]
        psi = (x > y) + 0.5 * (x == y)
        areas.append(psi.mean())
        v10.append(psi.mean(axis=1))
        v01.append(psi.mean(axis=0))
    return areas, np.cov(v10) / own.sum() + np.cov(v01) / (~own).sum()


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_delong_by_ranks_is_delong_by_definition(decimals):
    own, first, second = scored(150, seed=1, better=1.6, decimals=decimals)
    areas, covariance = by_definition(own, first, second)
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = delong(own, first, second)
    assert [found.first, found.second] == pytest.approx(areas, abs=1e-12)
    assert found.error == pytest.approx(error, abs=1e-12)
    z = (areas[0] - areas[1]) / error
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(z)), abs=1e-12)
    reach = stats.norm.ppf(0.975) * error
    assert (found.low, found.high) == pytest.approx(
        (areas[0] - areas[1] - reach, areas[0] - areas[1] + reach), abs=1e-12
    )


def test_delong_of_an_example_worked_by_hand():
    """Positives 3, 4, 5 and negatives 1, 2, 4 under the first score: 7.5 of 9 pairs in order; the second orders all.

    Components of the first: positives 2/3, 5/6, 1; negatives 1, 1, 1/2. Variances 1/36 and 1/12, so the variance of the
    area, and of the difference from a constant, is (1/36 + 1/12) / 3 = 1/27."""
    own = np.array([True] * 3 + [False] * 3)
    found = delong(own, np.array([3, 4, 5, 1, 2, 4.0]), np.array([4, 5, 6, 1, 2, 3.0]))
    assert (found.first, found.second) == pytest.approx((7.5 / 9, 1.0))
    assert found.error == pytest.approx(math.sqrt(1 / 27))
    assert found.p == pytest.approx(math.erfc((1.5 / 9) / math.sqrt(1 / 27) / math.sqrt(2)))


def test_delongs_error_is_that_of_the_bootstrap():
    own, first, second = scored(300, seed=4, better=1.5)
    rng, drawn = np.random.default_rng(0), []
    for _ in range(600):
        chosen = rng.integers(0, 300, 300)
        areas, _ = by_definition(own[chosen], first[chosen], second[chosen])
        drawn.append(areas[0] - areas[1])
    # The standard error of a standard deviation of 600 draws is 3 %; 12 % is four of them.
    assert delong(own, first, second).error == pytest.approx(np.std(drawn), rel=0.12)


def test_delong_refuses_as_often_as_its_level_when_both_are_alike():
    """400 data sets in which the two are equally good: 5 % are expected below 0.05, and 2 to 8.5 % are within 3 errors."""
    refused = sum((delong(*scored(120, seed=seed)).p or 1) < 0.05 for seed in range(400))
    assert 8 <= refused <= 34


def test_equal_scores_do_not_differ_and_opposite_ones_cannot_be_tested():
    own, first, _ = scored(60, seed=0)
    same = delong(own, first, first)
    assert (same.p, same.low, same.high) == (1.0, None, None)
    opposite = delong(own, own.astype(float), -own.astype(float))
    assert (opposite.first, opposite.second, opposite.p) == (1.0, 0.0, None)


@pytest.mark.parametrize("own", [[True, False, False], [True, True, False]])
def test_delong_needs_two_of_each_kind(own):
    with pytest.raises(ValueError, match="two positives and two negatives"):
        delong(np.array(own), np.zeros(3), np.zeros(3))


def test_midranks_are_scipys():
    values = np.random.default_rng(0).integers(0, 9, 50).astype(float)
    assert midranks(values).tolist() == stats.rankdata(values).tolist()


def discordant(b: int, c: int, both: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """b cases only the first got right, c only the second, and some that both did."""
    first = np.array([True] * b + [False] * c + [True] * both)
    return first, np.array([False] * b + [True] * c + [True] * both)


@pytest.mark.parametrize(("b", "c"), [(1, 7), (7, 1), (12, 3), (3, 3), (0, 5), (400, 460)])
def test_mcnemars_exact_p_is_the_binomial_test(b, c):
    found = mcnemar(*discordant(b, c))
    assert (found.only_first, found.only_second) == (b, c)
    assert found.p_exact == pytest.approx(stats.binomtest(b, b + c).pvalue, abs=1e-9)


def test_mcnemar_of_the_published_example():
    """Airway hyper-responsiveness before and after transplantation, 1 and 7 discordant of 21 children: exact 0.070 and
    mid-p 0.039 (Fagerland, Lydersen & Laake 2013, tables 1 and 3; 9/128 and 5/128)."""
    found = mcnemar(*discordant(1, 7, both=13))
    assert found.p_exact == pytest.approx(18 / 256)
    assert found.p_mid == pytest.approx(10 / 256)


@pytest.mark.parametrize(("b", "c"), [(2, 9), (5, 5), (6, 5)])
def test_mid_p_counts_what_was_seen_by_half(b, c):
    n = b + c
    shares = {k: stats.binom.pmf(k, n, 0.5) for k in range(n + 1)}
    more = sum(share for k, share in shares.items() if abs(2 * k - n) > abs(b - c))
    same = sum(share for k, share in shares.items() if abs(2 * k - n) == abs(b - c))
    assert mcnemar(*discordant(b, c)).p_mid == pytest.approx(more + same / 2)


def test_two_who_are_right_on_the_same_cases_do_not_differ():
    found = mcnemar(*discordant(0, 0))
    assert (found.p_exact, found.p_mid) == (1.0, 1.0)
