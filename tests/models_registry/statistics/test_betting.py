"""The bet on a fall of a share: it keeps its promise of false alarms, and notices what it is for."""

import math

import numpy as np
import pytest

from models_registry.statistics.betting import ALARM, EVERY, PARTS, always, fall


def test_no_case_is_the_capital_that_one_begins_with():
    assert fall([], 0.9).log_capital == pytest.approx(0.0, abs=1e-12)


def test_the_capital_is_fair_at_the_promise_and_loses_above_it():
    """The mean over all answers of three cases, each weighed with its probability."""
    for true, expected in ((0.8, 1.0), (0.9, None)):
        mean = 0.0
        for outcome in range(8):
            right = [bool(outcome >> place & 1) for place in range(3)]
            chance = math.prod(true if one else 1 - true for one in right)
            mean += chance * math.exp(fall(right, 0.8).log_capital)
        assert mean == pytest.approx(1.0, abs=1e-12) if expected else mean < 1.0


def test_the_capital_is_what_the_bets_give_one_by_one():
    right, promised = [True] * 13 + [False] * 9 + [True] * 4, 0.85
    starts = {k * EVERY: 1 / ((k + 1) * (k + 2)) for k in range(len(right) // EVERY + 1)}
    capital = 1 - sum(starts.values())
    for start, weight in starts.items():
        for q in promised * np.asarray(PARTS):
            won = math.prod(q / promised if one else (1 - q) / (1 - promised) for one in right[start:])
            capital += weight * won / len(PARTS)
    assert math.exp(fall(right, promised).log_capital) == pytest.approx(capital, rel=1e-9)


def test_streams_that_keep_the_promise_raise_next_to_no_alarm():
    draw = np.random.default_rng(0)
    alarms = sum(fall(draw.random(300) < 0.9, 0.9).alarm_at is not None for _ in range(1000))
    assert alarms <= 4, "at most 1 in 1,000, and by chance no more than four"


def test_a_fall_is_noticed_also_after_a_long_good_time():
    draw = np.random.default_rng(1)
    at_once = [fall(draw.random(200) < 0.65, 0.9).alarm_at for _ in range(50)]
    assert np.median([place or 999 for place in at_once]) <= 50
    late = [fall(np.concatenate([draw.random(300) < 0.95, draw.random(200) < 0.65]), 0.9).alarm_at for _ in range(50)]
    assert 300 < np.median([place or 999 for place in late]) <= 380


def test_the_interval_holds_at_every_number_of_cases_at_once():
    draw = np.random.default_rng(2)
    missed = 0
    for _ in range(200):
        right = list(draw.random(120) < 0.8)
        told = [always(right[:n]) for n in range(10, 121, 10)]
        missed += any(row["value"] is not None and not row["low"] <= 0.8 <= row["high"] for row in told)
    assert missed <= 10, "5 % of 200"
    assert always([True] * 200)["low"] > 0.95
    assert always([True])["value"] is None


def test_a_promise_of_certainty_is_not_broken_by_one_case():
    assert fall([True] * 50 + [False], 1.0).highest < math.log(ALARM)
