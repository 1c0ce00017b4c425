"""A write whose transaction the database ended is repeated as a whole; what cannot be is answered with when to retry."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from mediscan_site.core.errors import ended_by_database
from mediscan_site.core.http import middleware, repeating
from mediscan_site.core.http.viewsets import ApiViewSet
from mediscan_site.core.models import IdempotencyRecord, User
from mediscan_site.front import errors
from tests.conftest import PATIENCE_S, make_user

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

CALLS: Counter[str] = Counter()
REST = repeating.rest
TRIES = len(repeating.PAUSES_S) + 1
DEED = []


def do(data) -> None:
    CALLS[data.get("name", "")] += 1
    DEED[-1](data)


class DeedViewSet(ApiViewSet):
    queryset = User.objects.all()

    def create(self, request: Request) -> Response:
        do(request.data)
        return Response({"calls": sum(CALLS.values())}, status=201)


def page(request: HttpRequest) -> HttpResponse:
    do(request.POST)
    return HttpResponse(f"done {sum(CALLS.values())}")


router = SimpleRouter()
router.register("deeds", DeedViewSet, basename="deed")
urlpatterns = [path("deeds/", include(router.urls)), path("page/", page), path("", include("mediscan_site.front.urls"))]
handler400, handler404, handler500 = errors.bad_request, errors.not_found, errors.server_error


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """How long it would have waited; only those that really collide wait."""
    CALLS.clear()
    rested: list[float] = []
    for module in (repeating, middleware):
        monkeypatch.setattr(module, "rest", rested.append)
    return rested


def doing(monkeypatch: pytest.MonkeyPatch, function) -> None:
    monkeypatch.setattr(f"{__name__}.DEED", [function])


def deadlock() -> OperationalError:
    return OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction")


def send(client, body, **extra):
    """The answer, even to a fault: the test client would raise it."""
    client.raise_request_exception = False
    return client.post("/deeds/deeds/", body, **{"format": "json", **extra})


def failing(times: int, before: Callable[[], None] = lambda: None):
    """A transaction that writes, and that the database ends the first few times."""

    def act(data) -> None:
        before()
        with transaction.atomic():
            User.objects.filter(username="a").update(first_name=Concat(F("first_name"), Value("x")))
            if sum(CALLS.values()) <= times:
                raise deadlock()

    return act


def test_it_is_done_again_and_once_in_the_end(api, monkeypatch, pauses):
    user = make_user("a")
    doing(monkeypatch, failing(2))
    answer = send(api(user), {"x": 1}, HTTP_IDEMPOTENCY_KEY="k")
    assert (answer.status_code, answer.json()) == (201, {"calls": 3})
    assert User.objects.get(pk=user.pk).first_name == "x"
    assert pauses == list(repeating.PAUSES_S[:2])
    assert IdempotencyRecord.objects.get().status == 201


def test_after_a_few_times_the_caller_is_told_when_to_come_back(api, monkeypatch):
    doing(monkeypatch, failing(99))
    answer = send(api(make_user("a")), {}, HTTP_IDEMPOTENCY_KEY="k")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert answer.json()["errors"][0]["code"] == "deadlock"
    assert sum(CALLS.values()) == TRIES
    assert not IdempotencyRecord.objects.exists(), "the key is free to be used again"


@pytest.mark.parametrize("in_transaction", [True, False])
def test_what_has_committed_something_is_not_done_again(in_transaction, api, monkeypatch):
    user = make_user("a")

    def commit() -> None:
        rows = User.objects.filter(pk=user.pk)
        if not in_transaction:
            rows.update(last_name="kept")
            return
        with transaction.atomic():
            rows.update(last_name="kept")

    doing(monkeypatch, failing(1, commit))
    answer = send(api(user), {})
    assert (answer.status_code, answer["Retry-After"], sum(CALLS.values())) == (503, "1", 1)
    user.refresh_from_db()
    assert (user.first_name, user.last_name) == ("", "kept")


def test_what_goes_out_on_commit_goes_out_once(api, monkeypatch):
    sent: list[int] = []

    def act(data) -> None:
        with transaction.atomic():
            User.objects.filter(username="a").update(first_name="b")
            transaction.on_commit(lambda: sent.append(sum(CALLS.values())))
            if sum(CALLS.values()) < 3:
                raise deadlock()

    doing(monkeypatch, act)
    assert send(api(make_user("a")), {}).status_code == 201
    assert sent == [3]


def test_a_database_that_is_away_is_not_asked_again(api, monkeypatch):
    def act(data) -> None:
        raise OperationalError(2006, "Server has gone away")

    doing(monkeypatch, act)
    answer = send(api(make_user("a")), {})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (503, "unavailable")
    assert sum(CALLS.values()) == 1


def test_a_request_with_files_is_not_done_again(api, monkeypatch):
    doing(monkeypatch, failing(1))
    body = {"file": SimpleUploadedFile("a.txt", b"abc")}
    answer = send(api(make_user("a")), body, format="multipart")
    assert (answer.status_code, answer.json()["errors"][0]["code"], sum(CALLS.values())) == (503, "deadlock", 1)


def test_a_form_is_worked_on_again(client, monkeypatch):
    user = make_user("a")
    doing(monkeypatch, failing(2))
    client.raise_request_exception = False
    urlencoded = {"content_type": "application/x-www-form-urlencoded"}
    answer = client.post("/page/", "x=1", **urlencoded)
    assert (answer.status_code, answer.content) == (200, b"done 3")
    user.refresh_from_db()
    assert user.first_name == "x"
    CALLS.clear()
    doing(monkeypatch, failing(99))
    answer = client.post("/page/", "x=1", **urlencoded)
    assert (answer.status_code, answer["Retry-After"], sum(CALLS.values())) == (503, "1", TRIES + 1)
    assert b"Send it again" in answer.content


def test_a_form_that_has_committed_something_is_not_worked_on_again(client, monkeypatch):
    make_user("a")
    doing(monkeypatch, failing(1, lambda: User.objects.filter(username="a").update(last_name="kept") and None))
    client.raise_request_exception = False
    answer = client.post("/page/", "x=1", content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, sum(CALLS.values())) == (503, 1)


def test_inside_of_another_transaction_nothing_is_done_again():
    make_user("a")
    CALLS["inside"] = 1
    with pytest.raises(OperationalError), transaction.atomic():
        repeating.repeated(lambda: failing(1)({}))
    assert User.objects.get().first_name == ""


def _crossing(meet: threading.Barrier):
    """Each takes one row, meets the other, then wants the row that the other holds. The one that is sent back retries alone."""

    def act(data) -> None:
        with transaction.atomic():
            for number, pk in enumerate(data["order"]):
                if number and CALLS[data["name"]] == 1:
                    meet.wait(PATIENCE_S)
                User.objects.filter(pk=pk).update(first_name=Concat(F("first_name"), Value(data["name"])))

    return act


def test_of_two_that_deadlock_both_are_done(api, monkeypatch):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets one write at a time: there is no deadlock. Set DATABASE_URL to MySQL or PostgreSQL")
    monkeypatch.setattr(repeating, "rest", REST)
    users = [make_user("a"), make_user("b")]
    clients = [api(user) for user in users]
    doing(monkeypatch, _crossing(threading.Barrier(2)))
    answers = {}

    def one(number: int) -> None:
        name, keys = "xy"[number], [user.pk for user in users]
        body = {"name": name, "order": keys if number else keys[::-1]}
        try:
            answers[name] = send(clients[number], body)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert {name: answer.status_code for name, answer in answers.items()} == {"x": 201, "y": 201}
    # Who is sent back may meet the other once more, and then it is the other's turn.
    assert 2 <= max(CALLS.values()) <= TRIES, "one of them was ended by the database, and came again"
    for user in users:
        user.refresh_from_db()
        assert sorted(user.first_name) == ["x", "y"]


class _Refused(Exception):
    sqlstate = "40P01"


def test_the_servers_codes_are_known():
    from_postgres = OperationalError("deadlock detected")
    from_postgres.__cause__ = _Refused()
    assert ended_by_database(from_postgres)
    assert ended_by_database(deadlock())
    # Who has waited for a lock until the time was up is not made to wait as long again.
    assert not ended_by_database(OperationalError(1205, "Lock wait timeout exceeded"))
    assert not ended_by_database(OperationalError("database is locked"))
    assert not ended_by_database(ValueError(1213))
