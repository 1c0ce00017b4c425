"""With the database away every answer is a 503 with words and Retry-After, and comes at once."""

import threading
import time

import pytest
from django.db import OperationalError, connection
from django.test import Client

from mediscan_site.core.http import outage
from mediscan_site.core.http.outage import Watch
from tests.conftest import PATIENCE_S, make_user

GONE = OperationalError(2013, "Lost connection to server during query")


@pytest.fixture
def away(monkeypatch):
    """The database is away: every statement fails, from the first one on. Returns how many were tried."""
    tried: list[str] = []

    def refuse(execute, sql, params, many, context):
        tried.append(sql)
        raise GONE

    monkeypatch.setattr(outage, "watch", Watch())
    monkeypatch.setattr(outage, "_answers", lambda: True)
    with connection.execute_wrapper(refuse):
        yield tried


def require_words(answer) -> None:
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"database is" in answer.content


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/login/", "/projects/"])
def test_pages_say_so(path, away):
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "x" * 32
    require_words(client.get(path) if path != "/login/" else client.post(path, {"username": "a", "password": "b"}))


@pytest.mark.django_db
def test_a_page_of_somebody_signed_in_says_so_without_asking_who_it_is(client, monkeypatch):
    client.force_login(make_user("a"))
    client.raise_request_exception = False
    tried = []

    def refuse(execute, sql, params, many, context):
        tried.append(sql)
        raise GONE

    monkeypatch.setattr(outage, "_answers", lambda: True)
    with connection.execute_wrapper(refuse):
        answer = client.get("/projects/")
    require_words(answer)
    assert len(tried) == 1, "each statement may cost a time-out"


@pytest.mark.django_db
def test_the_api_says_so(api, request):
    doctor, anybody = api(make_user("a")), api()
    doctor.raise_request_exception = anybody.raise_request_exception = False
    request.getfixturevalue("away")
    words = {"username": "a", "password": "b"}
    answers = [doctor.get("/api/v1/images/"), doctor.post("/api/v1/projects/", {"name": "x"}, format="json")]
    for answer in (*answers, anybody.post("/api/v1/auth/token/", words, format="json")):
        require_words(answer)
        assert answer.json()["errors"][0]["code"] == "unavailable"


@pytest.mark.django_db
def test_what_is_found_away_is_answered_at_once_until_it_is_back(monkeypatch, client):
    watch, asked, back = Watch(), threading.Event(), threading.Event()

    def answers() -> bool:
        asked.set()
        return back.is_set()

    monkeypatch.setattr(outage, "watch", watch)
    monkeypatch.setattr(outage, "_answers", answers)
    monkeypatch.setattr(outage, "PAUSE_S", 0.01)
    watch.noticed(GONE)
    until(lambda: watch.away)
    require_words(client.get("/login/"))
    answer = client.get("/api/v1/images/")
    require_words(answer)
    assert answer.json()["type"] == "server_error"
    assert client.get("/healthz").status_code == 200
    back.set()
    until(lambda: not watch.away)
    assert client.get("/login/").status_code == 200


def until(reached) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_slow_statement_or_a_lock_closes_nothing(monkeypatch):
    watch, asked = Watch(), []
    monkeypatch.setattr(outage, "_answers", lambda: asked.append(1) or True)
    watch.noticed(OperationalError(1213, "Deadlock found"))
    watch.noticed(OperationalError("database is locked"))
    watch.noticed(ValueError())
    assert asked == []
    watch.noticed(GONE)
    until(lambda: asked and not watch._asking.locked())
    assert not watch.away
