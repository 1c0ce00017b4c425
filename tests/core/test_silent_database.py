"""A database that answers nothing ends in an error within seconds, whether it never spoke or fell silent."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import OperationalError, connection, transaction
from django.db.utils import load_backend

from mediscan_site import connections, patience
from mediscan_site.core.errors import database_away, ended_by_database, translate, waited_for_lock
from mediscan_site.core.models import Notice
from tests.core.silence import bare_socket, proxied
from tests.training.conftest import database_url

QUICK = patience.Patience(connect=1, answer=2, lock=1)
# What no bound of a few seconds reaches, however busy the machine; without bounds it would be minutes.
LONG_S = 40.0
DRIVERS = {"mysql": "MySQLdb", "postgres": "psycopg"}
SERVERS = {"mysql": 3306, "postgresql": 5432}


def opened(url: str, name: str | None = None, port: int | None = None):
    """A connection of its own as a request has it, with short bounds."""
    config = patience.database(connections.database(url, Path("unused")), QUICK)
    known = {**connection.settings_dict, **config}
    if port is not None:
        known |= {"HOST": "127.0.0.1", "PORT": port}
    return load_backend(config["ENGINE"]).DatabaseWrapper({**known, "NAME": name or config["NAME"]}, "default")


@pytest.fixture
def through_proxy(transactional_db):
    """The test database as a request sees it, through a proxy that can be told to say nothing."""
    if connection.vendor not in SERVERS:
        pytest.skip("SQLite has no server. Set DATABASE_URL to MySQL or PostgreSQL")
    found = connection.settings_dict
    with proxied(found["HOST"] or "127.0.0.1", int(found["PORT"] or SERVERS[connection.vendor])) as proxy:
        seen = opened(database_url(), found["NAME"], proxy.port)
        try:
            yield proxy, seen
        finally:
            seen.close()


@pytest.mark.django_db
@pytest.mark.parametrize("scheme", DRIVERS)
def test_a_port_that_never_answers_is_given_up(scheme):
    pytest.importorskip(DRIVERS[scheme])
    with bare_socket() as port:
        silent = opened(f"{scheme}://somebody:word@127.0.0.1:{port}/scans")
        started = time.monotonic()
        with pytest.raises(OperationalError) as caught:
            silent.ensure_connection()
    assert time.monotonic() - started < LONG_S
    assert database_away(caught.value)
    assert translate(caught.value).retry_after


def test_a_database_that_falls_silent_is_given_up(through_proxy):
    proxy, seen = through_proxy
    with seen.cursor() as cursor:
        cursor.execute("SELECT 1")
        proxy.silent.set()
        started = time.monotonic()
        with pytest.raises(OperationalError) as caught:
            cursor.execute("SELECT 2")
    assert time.monotonic() - started < LONG_S
    assert database_away(caught.value)
    # What is left of it is found out at once, and the next one begins anew.
    assert not seen.is_usable()
    seen.close()
    proxy.silent.clear()
    with seen.cursor() as cursor:
        cursor.execute("SELECT 3")
        assert cursor.fetchone() == (3,)


def test_a_statement_that_takes_too_long_is_ended(through_proxy):
    _, seen = through_proxy
    slow = {"mysql": "SELECT SLEEP(60)", "postgresql": "SELECT pg_sleep(60)"}[connection.vendor]
    started = time.monotonic()
    with seen.cursor() as cursor, pytest.raises(OperationalError) as caught:
        cursor.execute(slow)
        cursor.fetchall()
        pytest.fail(f"it came back after {time.monotonic() - started:.0f} s")
    assert time.monotonic() - started < LONG_S
    assert translate(caught.value).status == 503


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_somebody_holds_is_given_up_and_nothing_is_half_written():
    Notice.objects.create(key="held", sentence="before")
    waiting = opened(database_url(), connection.settings_dict["NAME"])
    try:
        with transaction.atomic():
            Notice.objects.filter(key="held").update(sentence="by the holder")
            started = time.monotonic()
            with pytest.raises(OperationalError) as caught, waiting.cursor() as cursor:
                cursor.execute(f"UPDATE core_notice SET sentence = 'by the other' WHERE {_key()} = 'held'")  # noqa: S608
        assert time.monotonic() - started < LONG_S
    finally:
        waiting.close()
    assert waited_for_lock(caught.value)
    assert not ended_by_database(caught.value), "who has waited for seconds does not wait again and again"
    refusal = translate(caught.value)
    assert (refusal.status, refusal.code, refusal.retry_after) == (503, "locked", 5)
    assert Notice.objects.get().sentence == "by the holder"


def _key() -> str:
    return connection.ops.quote_name("key")


def test_who_answers_people_waits_seconds_and_who_works_waits_longer(monkeypatch):
    monkeypatch.delenv(patience.ROLE, raising=False)
    monkeypatch.setattr("sys.argv", ["manage.py", "migrate"])
    command = patience.chosen(8, 5)
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/celery", "worker"])
    worker = patience.chosen(8, 5)
    monkeypatch.setenv(patience.ROLE, patience.WEB)
    web = patience.chosen(8, 5)
    assert web == patience.Patience(connect=3, answer=8, lock=5)
    assert web.answer < worker.answer < command.answer
    assert web.lock < worker.lock <= command.lock


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_both_ways_to_serve_say_that_they_answer_people(server, settings, tmp_path):
    # Its tables are not there, which would end it.
    without = "import django; django.setup(); from mediscan_site.core import start; start.at_start = lambda: None"
    ask = f"{without}; import mediscan_site.{server}; from mediscan_site import patience; print(patience.role())"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "MEDISCAN_TEST_SCRATCH": str(tmp_path)}
    asked = [sys.executable, "-c", ask]
    done = subprocess.run(asked, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == patience.WEB


def test_what_the_address_says_stays():
    config = connections.database("mysql://u:p@h/n?connect_timeout=30", Path("unused"))
    assert patience.database(config, QUICK)["OPTIONS"]["connect_timeout"] in (30, "30")
