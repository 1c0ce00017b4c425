"""Several beats: one sends, the others follow along; a clock that is set back stops nobody."""

import os
import time
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.db.models.functions import Now
from django.utils import timezone

from mediscan_site.celery import app
from mediscan_site.core import alone, beats
from mediscan_site.core.models import TaskLease

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch):
    names = []
    monkeypatch.setattr(beats.Scheduler, "apply_async", lambda _self, entry, **_options: names.append(entry.name))
    monkeypatch.setattr(beats.Scheduler, "producer", None)
    # What has nothing to do is another matter: tests/core/test_alone.py.
    monkeypatch.setattr(alone, "worth_sending", lambda _name: True)
    return names


@pytest.fixture
def beat(tmp_path, sent):
    made = []

    def make(name: str) -> beats.Scheduler:
        made.append(beats.Scheduler(app, schedule_filename=str(tmp_path / name)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def asks_again(one: beats.Scheduler) -> bool:
    one._asked_at -= beats.LEASE_S
    return one.may_send()


def all_due(one: beats.Scheduler) -> None:
    for entry in one.schedule.values():
        entry.last_run_at -= timedelta(days=2)
    one._heap = None


def tick_through(one: beats.Scheduler) -> None:
    while one.tick() == 0:
        pass


def test_one_sends_and_the_other_waits_until_it_ends(beat):
    first, second = beat("first"), beat("second")
    assert first.may_send()
    assert not second.may_send()
    assert asks_again(first)
    first.close()
    assert asks_again(second)


def test_until_it_is_time_it_sleeps_and_does_not_ask_again_and_again(beat, sent):
    one = beat("only")
    entry = next(iter(one.schedule.values()))
    one.schedule = {entry.name: type(entry)(**{**dict(entry), "schedule": 0.2, "last_run_at": None})}
    one._heap, asked, begun = None, 0, time.monotonic()
    while len(sent) < 5 and time.monotonic() < begun + 60:
        time.sleep(max(0.0, one.tick()))
        asked += 1
    # For each that is sent once to wait, once to send, and now and then once more.
    assert sent.count(entry.name) == 5
    assert asked <= 4 * len(sent)


def test_one_that_died_is_followed_and_waits_when_it_wakes_up(beat):
    first, second = beat("first"), beat("second")
    assert first.may_send()
    TaskLease.objects.filter(name=beats.LEASE).update(held_until=Now() - timedelta(seconds=1))
    assert asks_again(second)
    assert not asks_again(first)


def test_who_waits_counts_what_is_due_as_sent_and_goes_on_in_step(beat, sent):
    first, second = beat("first"), beat("second")
    assert first.may_send()
    all_due(second)
    tick_through(second)
    assert sent == []
    first.close()
    assert asks_again(second)
    tick_through(second)
    assert sent == []
    all_due(second)
    tick_through(second)
    assert set(sent) == set(second.schedule)


def test_a_beat_that_waits_writes_its_schedule_as_one_that_sends_does(beat, tmp_path):
    """What deploy/kubernetes/beat.yaml asks whether a beat goes on."""
    first, second = beat("first"), beat("second")
    assert first.may_send()
    second.tick()
    for file in tmp_path.glob("second*"):
        os.utime(file, (0, 0))
    assert second.should_sync()
    second._do_sync()
    assert any(file.stat().st_mtime for file in tmp_path.glob("second*"))
    assert not second.should_sync()
    assert second.sync_every < 600


def test_a_clock_that_is_set_back_puts_nothing_off(beat, sent):
    one = beat("one")
    ahead = timedelta(hours=1)
    for entry in one.schedule.values():
        entry.last_run_at += ahead
    one._clock += ahead.total_seconds()
    one.tick()
    assert all(entry.last_run_at <= timezone.now() for entry in one.schedule.values())


def test_so_does_a_schedule_in_a_file_that_a_wrong_clock_wrote(beat):
    one = beat("one")
    for entry in one.schedule.values():
        entry.last_run_at += timedelta(hours=1)
    one.close()
    again = beat("one")
    assert all(entry.last_run_at <= timezone.now() for entry in again.schedule.values())


def test_without_the_database_nothing_is_sent_and_beat_goes_on(beat, sent, monkeypatch, caplog):
    def away(*_arguments, **_options):
        raise DatabaseError("away")

    one = beat("one")
    monkeypatch.setattr(alone, "hold", away)
    all_due(one)
    tick_through(one)
    assert sent == []
    assert "while the database is away" in caplog.text
