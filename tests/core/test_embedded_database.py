"""SQLite as the site uses it: a write that meets another one goes on as soon as that has ended."""

import threading
import time

import pytest
from django.db import OperationalError
from django.db.backends.sqlite3.base import DatabaseWrapper as Plain

from mediscan_site.core.sqlite3 import base

pytestmark = pytest.mark.django_db
PATIENCE_S = 3.0


@pytest.fixture
def connections(tmp_path):
    """Two to one file, with a table."""
    made = [_connection(tmp_path / "db.sqlite3") for _ in range(2)]
    with made[0].cursor() as cursor:
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("CREATE TABLE line (number INTEGER)")
    yield made
    for connection in made:
        connection.close()


def _connection(path):
    from django.db import connections as known

    settings = dict(known["default"].settings_dict)
    options = {"transaction_mode": "IMMEDIATE", "timeout": PATIENCE_S, "check_same_thread": False}
    return base.DatabaseWrapper({**settings, "NAME": str(path), "OPTIONS": options, "AUTOCOMMIT": True}, "other")


def _wait_of(connection) -> int:
    with connection.cursor() as cursor:
        return cursor.execute("PRAGMA busy_timeout").fetchone()[0]


def test_the_site_has_it(settings):
    assert issubclass(base.DatabaseWrapper, Plain)
    engine = settings.DATABASES["default"]["ENGINE"]
    assert engine == "mediscan_site.core.sqlite3" or not engine.endswith("sqlite3")


def test_who_waits_begins_when_the_other_has_ended_and_nothing_is_lost(connections):
    first, second = connections
    first.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    with first.cursor() as cursor:
        cursor.execute("INSERT INTO line VALUES (1)")
    tries, begin = [], second._begun
    second._begun = lambda *given, **named: tries.append(time.monotonic()) or begin(*given, **named)

    def write():
        second.inc_thread_sharing()
        second.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
        with second.cursor() as cursor:
            cursor.execute("INSERT INTO line SELECT max(number) + 1 FROM line")
        second.commit()

    waiting = threading.Thread(target=write)
    waiting.start()
    while len(tries) < 3:
        time.sleep(0.001)
    first.commit()
    waiting.join(PATIENCE_S)
    with first.cursor() as cursor:
        assert [number for (number,) in cursor.execute("SELECT number FROM line ORDER BY 1")] == [1, 2]
    assert _wait_of(second) == PATIENCE_S * 1000, "single writes wait as ever"


def test_what_no_waiting_mends_is_told_at_once(connections):
    first, second = connections
    with first.cursor() as cursor:
        cursor.execute("INSERT INTO line VALUES (1), (2)")
    second.ensure_connection()
    open_read = second.connection.execute("SELECT number FROM line")
    open_read.fetchone()
    with first.cursor() as cursor:
        cursor.execute("INSERT INTO line VALUES (3)")
    tries, begin = [], second._begun
    second._begun = lambda **named: tries.append(1) or begin(**named)
    with pytest.raises(OperationalError, match="database is locked"):
        second.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    assert len(tries) == 1


def test_a_task_that_is_stopped_while_it_begins_leaves_nothing_open(connections, monkeypatch):
    first, second = connections

    class Stopped(BaseException):
        pass

    real = base.DatabaseWrapper._begin

    def stopped(self, deadline):
        real(self, deadline)
        raise Stopped

    monkeypatch.setattr(base.DatabaseWrapper, "_begin", stopped)
    with pytest.raises(Stopped):
        second.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    monkeypatch.undo()
    assert not second.connection.in_transaction
    first.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    first.rollback()


def test_whoever_waits_too_long_is_told_as_ever(connections):
    first, second = connections
    second.settings_dict["OPTIONS"]["timeout"] = 0.05
    first.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    with pytest.raises(OperationalError, match="database is locked"):
        second.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    assert _wait_of(second) == 50
    first.rollback()
