"""Transactions of workers that the database ends are done again, and once in the end."""

import threading

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Concat

from labeling.models import Import
from mediscan_site.core import again, audit, work
from mediscan_site.core.again import done_again
from mediscan_site.core.models import AuditEvent, Notice, WorkStatus
from tests.conftest import PATIENCE_S

ENDED = {
    "deadlock": OperationalError(1213, "Deadlock found when trying to get lock"),
    "lock of MySQL": OperationalError(1205, "Lock wait timeout exceeded"),
    "lock of SQLite": OperationalError("database is locked"),
}


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    rested: list[float] = []
    monkeypatch.setattr(again, "rest", rested.append)
    return rested


def failing(times: int, error: Exception):
    """A transaction that writes and is ended the first few times."""
    calls: list[int] = []

    @done_again
    def act() -> int:
        calls.append(1)
        with transaction.atomic():
            Notice.objects.create(key=f"k{len(calls)}", sentence="")
            if len(calls) <= times:
                raise error
        return len(calls)

    return act


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ENDED)
def test_it_is_done_again_and_once_in_the_end(name, pauses):
    assert failing(2, ENDED[name])() == 3
    assert [notice.key for notice in Notice.objects.all()] == ["k3"]
    assert pauses == list(again.PAUSES_S[:2])


@pytest.mark.django_db(transaction=True)
def test_it_ends_after_a_few_times_and_at_once_for_another_reason(pauses):
    with pytest.raises(OperationalError):
        failing(99, ENDED["deadlock"])()
    assert len(pauses) == len(again.PAUSES_S)
    pauses.clear()
    with pytest.raises(OperationalError):
        failing(1, OperationalError(2006, "Server has gone away"))()
    assert pauses == []
    assert not Notice.objects.exists()


@pytest.mark.django_db
def test_inside_of_another_transaction_nothing_is_done_again(pauses):
    with pytest.raises(OperationalError), transaction.atomic():
        failing(1, ENDED["deadlock"])()
    assert pauses == []


@pytest.mark.django_db(transaction=True)
def test_the_end_of_an_import_survives_a_deadlock(project, admin, monkeypatch):
    from labeling.imports import worker

    job = Import.objects.create(project=project, created_by=admin, file_name="a.zip")
    attempt = work.claim(Import, job.pk)
    record, failures = audit.record, [ENDED["deadlock"]]

    def once(*arguments, **options):
        if failures:
            raise failures.pop()
        return record(*arguments, **options)

    monkeypatch.setattr(audit, "record", once)
    worker._end(job, attempt, WorkStatus.SUCCEEDED)
    job.refresh_from_db()
    assert job.status == "succeeded"
    assert AuditEvent.objects.filter(action="import.finish").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_want_the_same_rows_in_another_order_both_come_to_their_end(monkeypatch):
    if connection.vendor == "sqlite":
        pytest.skip("has one writer at a time")
    monkeypatch.undo()
    Notice.objects.bulk_create(Notice(key=key, sentence="") for key in "ab")
    meet, tries = threading.Barrier(2, timeout=PATIENCE_S), []

    @done_again
    def both(first: str, second: str) -> None:
        tries.append(first)
        with transaction.atomic():
            Notice.objects.filter(key=first).update(sentence=Concat("sentence", Value(first)))
            if len(tries) <= 2:
                meet.wait()
            Notice.objects.filter(key=second).update(sentence=Concat("sentence", Value(first)))

    def work_off(first: str, second: str) -> None:
        try:
            both(first, second)
        finally:
            connection.close()

    workers = [threading.Thread(target=work_off, args=keys) for keys in ("ab", "ba")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE_S)
    assert len(tries) == 3
    assert [sorted(notice.sentence) for notice in Notice.objects.all()] == [["a", "b"]] * 2
