"""Periodic tasks: one of each at a time, and none for nothing."""

from datetime import timedelta

import pytest
from celery.beat import ScheduleEntry
from celery.schedules import schedule
from django.db import OperationalError
from django.utils import timezone

from mediscan_site.celery import app
from mediscan_site.core import alone, beats
from mediscan_site.core.models import TaskLease

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _looks(monkeypatch):
    monkeypatch.setattr(alone, "_looks", {})


def test_one_does_it_and_another_leaves():
    with alone.only_one("test") as first, alone.only_one("test") as second, alone.only_one("other") as third:
        assert (first, second, third) == (True, False, True)
    with alone.only_one("test") as again:
        assert again
    assert not TaskLease.objects.exclude(held_until=None).exists()


def test_whoever_fails_gives_it_back():
    with pytest.raises(ZeroDivisionError), alone.only_one("test"):
        _ = 1 / 0
    with alone.only_one("test") as mine:
        assert mine


def test_a_holder_that_fell_silent_is_followed_and_takes_nothing_from_the_next():
    with alone.only_one("test"):
        TaskLease.objects.update(held_until=timezone.now() - timedelta(seconds=5))
        with alone.only_one("test") as next_one:
            assert next_one
            held = TaskLease.objects.get().holder
        TaskLease.objects.update(holder=held, held_until=timezone.now() + timedelta(seconds=20))
    assert TaskLease.objects.get().holder == held


def test_a_lease_of_the_future_ends_when_one_taken_now_would():
    """The clock was set back by an hour, and whoever held it is gone."""
    in_an_hour = timezone.now() + timedelta(hours=1)
    TaskLease.objects.create(name="test", holder="gone", held_until=in_an_hour)
    with alone.only_one("test") as mine:
        assert not mine
    lease = TaskLease.objects.get()
    assert (lease.holder, lease.held_until < in_an_hour - timedelta(minutes=50)) == ("gone", True)
    TaskLease.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    with alone.only_one("test") as mine:
        assert mine


def test_without_anything_to_do_no_lease_is_taken(django_assert_num_queries):
    done = []
    run = alone.one_at_a_time("test", when=lambda: bool(done))(lambda: done.append(1))
    with django_assert_num_queries(0):
        run()
    assert done == []
    done.append(0)
    run()
    assert done == [0, 1]


def test_beat_sends_what_has_something_to_do_and_what_nobody_can_tell(monkeypatch):
    def away() -> bool:
        raise OperationalError("gone")

    for name, look in {"idle": lambda: False, "busy": lambda: True, "away": away}.items():
        alone.one_at_a_time(name, when=look)(lambda: None)
    sent = []
    monkeypatch.setattr("celery.beat.Scheduler.apply_async", lambda self, entry, **options: sent.append(entry.task))
    monkeypatch.setattr(alone, "close_old_connections", lambda: None)
    scheduler = beats.Scheduler(app, lazy=True)
    for name in ("idle", "busy", "away", "unknown"):
        scheduler.apply_entry(ScheduleEntry(name=name, task=name, schedule=schedule(1), app=app))
    assert sent == ["busy", "away", "unknown"]
