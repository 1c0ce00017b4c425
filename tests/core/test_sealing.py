"""The sealer reads what waits for its seal, and nothing that does is ever forgotten."""

import errno
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from mediscan_site.core import audit, tasks
from mediscan_site.core.models import AuditEvent, AuditSeal, Bookmark, Notice, Unsealed
from mediscan_site.core.trail import anchors, checking, guards, queue
from tests.conftest import unguarded

committed = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _anchors(tmp_path, settings):
    settings.AUDIT_ANCHOR_FILE = tmp_path / "anchors.jsonl"


def write(count: int = 1) -> list[int]:
    with transaction.atomic():
        events = [audit.record("scan.open", actor=None, details={"number": number}) for number in range(count)]
    return [event.pk for event in events]


def sealed() -> list[int]:
    return list(AuditSeal.objects.order_by("seq").values_list("event", flat=True))


@pytest.mark.django_db
def test_events_wait_from_the_moment_they_are_written_until_they_are_sealed(django_assert_max_num_queries):
    with transaction.atomic():
        audit.record_many("scan.open", actor=None, about=[(None, {"number": number}) for number in range(3)])
    one = write()
    assert Unsealed.objects.count() == 4
    assert audit.seal_pending() == 4
    assert sealed()[-1:] == one and not Unsealed.objects.exists()
    with django_assert_max_num_queries(1):
        tasks.seal_audit()


@committed
def test_a_transaction_that_commits_after_ones_with_higher_numbers_is_sealed_too():
    if connection.vendor == "sqlite":
        pytest.skip("has one writer at a time")
    written, go_on, early = threading.Event(), threading.Event(), []

    def slow() -> None:
        try:
            with transaction.atomic():
                early.append(audit.record("scan.open", actor=None).pk)
                written.set()
                go_on.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert written.wait(20)
    (late,) = write()
    audit.seal_pending()
    go_on.set()
    thread.join()
    audit.seal_pending()
    assert early[0] < late and sealed() == [late, *early]
    assert audit.verify() is None


@committed
def test_an_event_that_does_not_wait_is_found_by_the_look_of_the_hour_and_named_in_the_log(caplog):
    write()
    audit.seal_and_look()
    guards.unqueue()
    (forgotten,) = write()
    assert guards.watch() == [queue.TRIGGER]
    audit.seal_pending()
    assert forgotten not in sealed()
    audit.seal_and_look()
    assert sealed()[-1] == forgotten and "did not wait for their seal" in caplog.text
    call_command("migrate", verbosity=0)
    assert guards.watch() == [] and audit.verify() is None


@committed
def test_the_look_of_the_hour_goes_through_all_of_the_trail_in_time(monkeypatch):
    monkeypatch.setattr(queue, "LOOKS", 3)
    guards.unqueue()
    keys = write(7)
    # Where tests ran before, numbers begin at tens of thousands: two at a time that is a minute.
    monkeypatch.setattr(queue, "PAGE", max(2, keys[-1] // 50))
    guards.protect()
    Bookmark.objects.create(name=queue.NEWEST, seq=keys[-1])
    for _ in range(4):
        audit.seal_and_look()
    assert sealed() == keys


@committed
@pytest.mark.parametrize("number", [-7, 0, 2**61])
def test_a_row_past_the_trigger_is_found_whatever_number_it_was_given(number):
    if number == 0 and connection.vendor == "mysql":
        pytest.skip("0 asks MySQL for a number")
    write(3)
    audit.seal_pending()
    guards.unqueue()
    AuditEvent.objects.bulk_create([AuditEvent(pk=number, action="scan.delete")])
    guards.protect()
    Bookmark.objects.create(name=queue.NEWEST, seq=4)
    audit.seal_and_look()
    assert list(queue.strays().values_list("event", flat=True)) == [number]
    Unsealed.objects.all().delete()
    with pytest.raises(CommandError, match=f"id {number}"):
        call_command("verify_audit")
    with unguarded():
        AuditEvent.objects.filter(pk=number).delete()


@committed
def test_migrate_has_events_wait_that_were_written_without_the_trigger():
    guards.unqueue()
    keys = write(2)
    call_command("migrate", verbosity=0)
    audit.seal_pending()
    assert sealed()[:2] == keys
    assert AuditEvent.objects.get(action="trail.guard").details == {"made_again": [queue.TRIGGER]}


@pytest.mark.django_db
def test_a_mark_that_somebody_put_in_the_queue_hides_no_event():
    (first,) = write()
    Unsealed.objects.filter(event=first).update(stray=True)
    Unsealed.objects.create(event_id=first + 1, stray=True)
    (second,) = write()
    audit.seal_pending()
    assert sealed() == ([second] if second == first + 1 else [])
    audit.seal_and_look()
    assert sorted(sealed()) == [first, second]


@committed
def test_what_is_taken_out_before_it_is_sealed_is_told(caplog):
    (gone,) = write()
    with unguarded():
        AuditEvent.objects.filter(pk=gone).delete()
    assert audit.seal_pending() == 0
    assert str(gone) in caplog.text and not Unsealed.objects.exists()


@pytest.mark.django_db
def test_a_sealer_that_loses_a_race_goes_on_with_what_is_left(monkeypatch):
    write(3)
    chained, calls = audit._chained, []

    def once_beaten(events):
        calls.append(len(events))
        if len(calls) == 1:
            raise IntegrityError("another one was quicker")
        return chained(events)

    monkeypatch.setattr(audit, "_chained", once_beaten)
    assert audit.seal_pending() == 3 and calls == [3, 3]


@committed
def test_a_check_goes_on_where_an_earlier_one_came_to_and_a_whole_one_reads_all(monkeypatch, capsys):
    monkeypatch.setattr(checking, "NOTED", 2)
    write(5)
    audit.seal_pending()
    came_to = []
    with pytest.raises(KeyboardInterrupt):
        checking.first_fault(came_to=lambda place: (anchors.checked(place.seq, place.hash), stop(came_to, place)))
    assert came_to == [2, 4]
    call_command("verify_audit", "--from-checked")
    said = capsys.readouterr().out
    assert "checked: events 5 to 5" in said and "Events 1 to 4 were found to hold by an earlier check" in said
    with unguarded():
        AuditEvent.objects.filter(pk=sealed()[1]).update(action="scan.delete")
    call_command("verify_audit", "--from-checked")
    with pytest.raises(CommandError, match="event 2"):
        call_command("verify_audit")


def stop(came_to: list[int], place: checking.Place) -> None:
    came_to.append(place.seq)
    if len(came_to) == 2:
        raise KeyboardInterrupt


@committed
def test_a_check_whose_place_cannot_be_noted_is_made_all_the_same(monkeypatch, capsys):
    def full(seq, digest):
        raise OSError(errno.ENOSPC, "No space left on device")

    write(3)
    audit.seal_pending()
    monkeypatch.setattr(anchors, "checked", full)
    call_command("verify_audit")
    said = capsys.readouterr()
    assert "audit: ok, 3 events" in said.out and "No space left on device" in said.err


@committed
def test_a_checked_place_that_is_not_there_any_more_is_named():
    write(3)
    audit.seal_pending()
    call_command("verify_audit")
    note = anchors.last_checked()
    assert note is not None and note.seq == 3
    with unguarded():
        AuditSeal.objects.filter(seq=3).update(hash="0" * 63 + "1")
    with pytest.raises(CommandError, match="event 3"):
        call_command("verify_audit", "--from-checked")
    assert not Notice.objects.filter(key=audit.STRAYS).exists()
