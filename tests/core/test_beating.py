"""Heartbeats go on whatever the database does."""

import threading

import pytest
from django.db import DatabaseError, InterfaceError

from mediscan_site.core import beating
from tests.conftest import PATIENCE_S


@pytest.mark.parametrize("error", [DatabaseError("away"), InterfaceError("away")])
def test_a_heartbeat_that_the_database_refused_is_followed_by_another(error, caplog):
    beaten, ended, refusals = threading.Event(), threading.Event(), [error]

    def beat():
        if refusals:
            raise refusals.pop()
        beaten.set()

    thread = beating.begin("the test", beat, every_s=0.01, ended=ended)
    assert beaten.wait(PATIENCE_S)
    ended.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert "No heartbeat for the test: away" in caplog.text


def test_the_first_one_may_come_at_once():
    beaten, ended = threading.Event(), threading.Event()
    beating.begin("the test", beaten.set, every_s=2 * PATIENCE_S, ended=ended, at_once=True)
    assert beaten.wait(PATIENCE_S)
    ended.set()
