from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from labeling.models import Import
from mediscan_site.core import sweeping, work
from mediscan_site.core.models import WorkStatus


class Wakeups:
    """Stands where a task would: remembers whom it was asked to wake."""

    name = "test.wakeups"

    def __init__(self) -> None:
        self.sent: list[int] = []

    def apply_async(self, args: tuple[int], **_) -> None:
        self.sent.extend(args)


@pytest.fixture
def job(project, admin):
    return Import.objects.create(project=project, created_by=admin, file_name="scans.zip")


@pytest.fixture
def wakeups(monkeypatch):
    made = Wakeups()
    monkeypatch.setattr(work, "_swept", {})
    work.register_sweep(Import, made)  # type: ignore[arg-type]
    return made


def silence(job: Import, seconds: int = 3600) -> None:
    Import.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=seconds))


def test_a_task_keeps_its_connection_until_that_is_too_old(db, monkeypatch):
    from mediscan_site.celery import app

    assert app.conf.get("CELERY_DB_REUSE_MAX") > 10**6, "Celery's own way closes it before and after every task"
    asked = []
    monkeypatch.setattr(work, "close_old_connections", lambda: asked.append(True))

    def nothing(pk: int) -> None:
        """Does nothing."""

    task = work.durable_task(name="test.nothing", queue="io", soft_limit_s=5)(nothing)
    task(1)
    assert asked == [], "in a transaction, as of a test, it is somebody's"
    monkeypatch.setattr(work, "connection", SimpleNamespace(in_atomic_block=False))
    task(1)
    assert asked == [True]


def test_only_one_worker_gets_a_queued_row(job):
    assert work.claim(Import, job.pk) == 1
    assert work.claim(Import, job.pk) is None


def test_a_silent_row_is_given_to_another_and_the_first_is_fenced_off(job, wakeups, django_capture_on_commit_callbacks):
    first = work.claim(Import, job.pk)
    assert first == 1
    silence(job)
    with django_capture_on_commit_callbacks(execute=True):
        sweeping.sweep()
    assert wakeups.sent == [job.pk]
    assert work.claim(Import, job.pk) == 2
    assert not work.beat(Import, job.pk, first)
    assert not work.finish(Import, job.pk, first, status=WorkStatus.SUCCEEDED)
    assert work.finish(Import, job.pk, 2, status=WorkStatus.SUCCEEDED)
    job.refresh_from_db()
    assert (job.status, job.progress) == ("succeeded", 1.0)


def test_a_row_with_a_fresh_heartbeat_is_left_alone(job, wakeups):
    work.claim(Import, job.pk)
    sweeping.sweep()
    job.refresh_from_db()
    assert job.status == "running"


def test_a_row_lost_too_often_ends_failed_with_the_reason(job, wakeups):
    for _ in range(3):
        work.claim(Import, job.pk)
        silence(job)
        sweeping.sweep()
    job.refresh_from_db()
    assert job.status == "failed"
    assert "lost 3 times" in job.error


def test_a_queued_row_whose_message_was_lost_is_announced_again(job, wakeups, django_capture_on_commit_callbacks):
    Import.objects.filter(pk=job.pk).update(queued_at=timezone.now() - timedelta(hours=1))
    with django_capture_on_commit_callbacks(execute=True):
        sweeping.sweep()
        sweeping.sweep()
    assert wakeups.sent == [job.pk]


def test_cancelling_ends_a_queued_row_and_stops_a_running_one(job):
    assert work.request_cancel(Import, job.pk)
    job.refresh_from_db()
    assert job.status == "cancelled"
    other = Import.objects.create(project=job.project, created_by=job.created_by, file_name="b.zip")
    attempt = work.claim(Import, other.pk)
    assert attempt
    assert work.request_cancel(Import, other.pk)
    assert not work.beat(Import, other.pk, attempt)


def test_after_the_clock_was_set_back_a_lost_worker_is_missed_after_a_lease_all_the_same(
    job, wakeups, django_capture_on_commit_callbacks
):
    attempt = work.claim(Import, job.pk)
    silence(job, seconds=-3600)
    sweeping.sweep()
    job.refresh_from_db()
    assert job.status == "running"
    assert abs(job.heartbeat_at - timezone.now()) < timedelta(seconds=20)
    silence(job)
    with django_capture_on_commit_callbacks(execute=True):
        sweeping.sweep()
    assert wakeups.sent == [job.pk]
    assert not work.beat(Import, job.pk, attempt or 0)


def test_what_waits_from_the_future_is_woken_and_what_was_put_off_waits(job, wakeups):
    Import.objects.filter(pk=job.pk).update(queued_at=timezone.now() + timedelta(hours=1))
    sweeping.sweep()
    job.refresh_from_db()
    assert job.queued_at < timezone.now() + timedelta(seconds=20)
    attempt = work.claim(Import, job.pk)
    assert attempt
    assert work.put_off(Import, job.pk, attempt, seconds=300)
    sweeping.sweep()
    job.refresh_from_db()
    assert job.queued_at > timezone.now() + timedelta(seconds=200)
