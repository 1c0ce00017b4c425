"""The online test: exact p-values, fair bets, and the promise of false alarms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.statistics.martingale import ALARM, EVERY, Bets, _log_bets, course, p_value


def test_a_score_above_all_others_has_the_smallest_p_and_one_below_all_the_largest():
    pool = [1.0, 2.0, 3.0]
    assert p_value(pool, 9.0, 0.5) == pytest.approx(0.5 / 4)
    assert p_value(pool, 0.0, 0.5) == pytest.approx(3.5 / 4)


def test_ties_are_broken_by_chance_alone():
    assert p_value([1.0] * 9, 1.0, 0.25) == pytest.approx(0.25)


@given(st.integers(0, 400), st.integers(20, 500))
def test_every_bet_is_fair(seen, n_reference):
    """The mean of what it wins over a uniform p is 1."""
    ages = np.asarray([float(seen), float(seen % EVERY)])
    grid = (np.arange(20_000) + 0.5) / 20_000
    won = np.mean([np.exp(_log_bets(p, ages, n_reference + seen + 1)) for p in grid[::40]], axis=0)
    assert np.abs(won - 1).max() < 0.35
    edges = np.linspace(0, 1, 4001)[1:] - 1 / 8000
    fine = np.mean([np.exp(_log_bets(float(p), ages, n_reference + seen + 1)) for p in edges], axis=0)
    assert np.abs(fine - 1).max() < 0.05


def test_the_capital_begins_at_one_and_is_only_moved_when_a_start_is_made():
    bets = Bets.new(100)
    assert bets.log_capital == pytest.approx(0.0, abs=1e-12)
    bets.seen = 10 * EVERY
    bets._turn_over()
    assert bets.log_capital == pytest.approx(0.0, abs=1e-12)


def test_a_stream_goes_on_from_what_was_kept_of_it_as_if_it_had_not_stopped():
    draw = np.random.default_rng(0).random(90)
    whole, half = Bets.new(50), Bets.new(50)
    for p in draw:
        whole.step(p)
    for p in draw[:60]:
        half.step(p)
    again = Bets.of(half.to_json())
    for p in draw[60:]:
        again.step(p)
    assert again.log_capital == pytest.approx(whole.log_capital, abs=1e-6)


def test_false_alarms_are_within_the_promise():
    """400 streams of 500 that come from where the reference does: 0.4 alarms are promised at most, 4 would be chance of 1e-3."""
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(400):
        bets = Bets.new(102)
        alarms += max(map(bets.step, rng.random(500))) >= math.log(ALARM)
    assert alarms <= 3


def test_a_reference_that_is_small_breaks_no_promise():
    rng, alarms = np.random.default_rng(2), 0
    for _ in range(150):
        values = rng.normal(size=230)
        alarms += course(values[:30], values[30:], rng.random(200)).alarm_at is not None
    assert alarms <= 2


def test_a_foreign_stream_alarms_within_ten_and_a_fifth_of_it_within_120():
    rng, pure, fifth = np.random.default_rng(3), [], []
    for _ in range(20):
        reference, foreign = rng.normal(size=200), rng.normal(size=160) + 3.5
        mixed = np.where(rng.random(160) < 0.2, foreign, rng.normal(size=160))
        pure.append(course(reference, foreign, rng.random(160)).alarm_at)
        fifth.append(course(reference, mixed, rng.random(160)).alarm_at or 999)
    assert max(pure) <= 10
    assert sum(place <= 120 for place in fifth) >= 18


def test_a_change_after_a_long_quiet_time_is_noticed():
    rng, found = np.random.default_rng(4), []
    for _ in range(10):
        quiet, after = rng.normal(size=400), np.where(rng.random(150) < 0.3, 4.0, 0.0) + rng.normal(size=150)
        found.append(course(rng.normal(size=150), [*quiet, *after], rng.random(550)).alarm_at or 9999)
    assert sorted(found)[5] <= 400 + 100
    assert min(found) > 400
