"""A share with its interval, and the difference of two."""

import pytest

from models_registry.statistics.shares import difference, share


def test_too_few_cases_are_not_available_and_say_how_many_there_are():
    found = share([True] * 4, "abcd")
    assert (found["value"], found["n"]) == (None, 4)
    assert found["reason"] == "only 4 cases, at least 5 are needed"


def test_a_share_has_an_interval_around_it():
    found = share([True] * 40 + [False] * 10, range(50))
    assert found["value"] == 0.8
    assert 0.65 < found["low"] < 0.8 < found["high"] < 0.93


def test_where_all_agree_the_interval_is_that_of_none_of_n():
    found = share([True] * 30, range(30))
    assert found["high"] == 1.0
    assert found["low"] == pytest.approx(0.025 ** (1 / 30))


def test_scans_of_one_patient_count_as_one():
    alone = share([True] * 40 + [False] * 10, range(50))
    together = share([True] * 40 + [False] * 10, [place // 5 for place in range(50)])
    assert together["high"] - together["low"] > 1.3 * (alone["high"] - alone["low"])


def test_the_difference_of_two_shares_is_newcombes():
    """Newcombe 1998, table II, example a: 56 of 70 against 48 of 80 by Wilson's intervals."""
    new = {"value": 56 / 70, "low": 0.6918, "high": 0.8770}
    old = {"value": 48 / 80, "low": 0.4904, "high": 0.7004}
    found = difference(new, old)
    assert (found["low"], found["high"]) == (pytest.approx(0.0524, abs=2e-4), pytest.approx(0.3339, abs=2e-4))
    assert found["higher"] and not found["lower"]


def test_a_share_without_an_interval_has_no_difference():
    assert (
        difference({"value": 0.9, "low": None, "high": None}, {"value": 0.8, "low": 0.7, "high": 0.9})["value"] is None
    )
