"""The card says what one answer takes."""

import pytest

from models_registry.versions import cards

pytestmark = pytest.mark.django_db


def test_the_card_tells_the_time_of_one_answer_and_of_how_many_networks_it_is(make_version):
    model = make_version()
    model.card["training"] = {"latency_ms": 41.7, "members": 3}
    said = "The mean of 3 networks; one answer took 42 ms on one thread where it was trained."
    assert said in cards.text(model, None)
    assert "All epochs" not in cards.text(model, None)
    model.card["training"] = {"latency_ms": 12.2, "members": 1, "seconds": 75.4}
    assert "One network; one answer took 12 ms" in cards.text(model, None)
    assert "All epochs of the training, those of folds included, took 75 s." in cards.text(model, None)


def test_a_version_whose_time_was_not_measured_says_nothing_of_it(make_version):
    model = make_version()
    model.card["training"] = {}
    assert "## Speed" not in cards.text(model, None)
