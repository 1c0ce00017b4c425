"""What Prometheus is told of work, workers and what serves; and that a scrape costs the same however many rows there are."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import CollectorRegistry

from mediscan_site.core import counting, workers
from mediscan_site.core.errors import Unavailable
from mediscan_site.core.models import ResetRequest, Worker, WorkStatus
from mediscan_site.front.metrics import figures, jobs, shared
from mediscan_site.front.metrics.exposition import exposition

pytestmark = pytest.mark.django_db


def value(collector, name, **labels):
    registry = CollectorRegistry()
    registry.register(collector)
    return registry.get_sample_value(name, labels)


def asked(seconds, **columns):
    now = timezone.now()
    return ResetRequest.objects.create(base_url="x", requested_at=now - timedelta(seconds=seconds), **columns)


def test_a_queue_is_told_by_its_length_and_its_oldest_whatever_woke_it_again():
    asked(90)
    asked(10)
    asked(500, status=WorkStatus.FAILED)
    found = figures.JOBS
    assert value(found, "mediscan_queue_length", kind="reset_request") == 2
    assert value(found, "mediscan_queue_oldest_seconds", kind="reset_request") == pytest.approx(90, abs=30)
    assert value(found, "mediscan_queue_length", kind="import") == 0
    assert value(found, "mediscan_queue_oldest_seconds", kind="import") == 0


def test_a_running_job_that_has_gone_silent_shows():
    asked(0, status=WorkStatus.RUNNING, heartbeat_at=timezone.now() - timedelta(seconds=300))
    found = figures.JOBS
    assert value(found, "mediscan_jobs_running", kind="reset_request") == 1
    assert value(found, "mediscan_jobs_silent_seconds", kind="reset_request") == pytest.approx(300, abs=30)


def test_what_ended_is_counted_by_outcome_with_how_long_it_took_and_not_what_ended_long_ago():
    now = timezone.now()
    for status, seconds in ((WorkStatus.SUCCEEDED, 2), (WorkStatus.SUCCEEDED, 40), (WorkStatus.FAILED, 2)):
        began = now - timedelta(seconds=seconds)
        asked(60, status=status, started_at=began, heartbeat_at=began, finished_at=now)
    long_ago = now - timedelta(hours=1)
    asked(9000, status=WorkStatus.FAILED, started_at=long_ago, heartbeat_at=long_ago, finished_at=long_ago)
    found = figures.JOBS
    assert value(found, "mediscan_jobs_ended", kind="reset_request", outcome="succeeded") == 2
    assert value(found, "mediscan_jobs_ended", kind="reset_request", outcome="failed") == 1
    assert value(found, "mediscan_job_seconds_bucket", kind="reset_request", le="5.0") == 2
    assert value(found, "mediscan_job_seconds_bucket", kind="reset_request", le="+Inf") == 3
    assert value(found, "mediscan_job_seconds_gsum", kind="reset_request") == pytest.approx(44, abs=0.1)


def test_no_query_of_a_scrape_counts_or_sorts_more_than_a_bounded_number_of_rows():
    with CaptureQueriesContext(connection) as queries:
        list(figures.JOBS.collect())
    of_work = [query["sql"] for query in queries.captured_queries]
    assert of_work
    assert [sql for sql in of_work if f"LIMIT {jobs.MOST}" not in sql] == []


def test_workers_that_said_so_lately_are_there_and_others_are_forgotten():
    workers.seen("grade@one", ["grade"], 2)
    workers.seen("grade@two", ["grade"], 1)
    workers.seen("both@two", ["grade", "io"], 3)
    workers.seen("grade@one", ["grade"], 4)
    Worker.objects.create(name="gone", queues=["grade"], seen_at=timezone.now() - timedelta(days=2))
    assert workers.lately() == {"grade": (3, 8), "io": (1, 3)}
    assert value(figures.WORKERS, "mediscan_workers", queue="grade") == 3
    assert value(figures.WORKERS, "mediscan_worker_processes", queue="grade") == 8
    workers.forget()
    assert not Worker.objects.filter(name="gone").exists()


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_machine_whose_clock_is_wrong_sees_the_workers_all_the_same(hours, monkeypatch):
    now = timezone.now
    workers.seen("grade@one", ["grade"], 2)
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(hours=hours))
    workers.seen("io@here", ["io"], 1)
    assert workers.lately() == {"grade": (1, 2), "io": (1, 1)}


@pytest.mark.parametrize("error", [DatabaseError, InterfaceError])
def test_with_the_database_away_a_scrape_has_what_needs_none(monkeypatch, caplog, error):
    def away(*_arguments, **_options):
        raise error("away")

    monkeypatch.setattr(QuerySet, "_fetch_all", away)
    monkeypatch.setattr(QuerySet, "aggregate", away)
    monkeypatch.setattr(QuerySet, "count", away)
    told = {metric.name for figure in figures.FIGURES for metric in figure.collect()}
    assert told == {"mediscan_disk_room_bytes"}
    assert "No figures of work, the database is away" in caplog.text


def test_errors_of_the_database_are_counted_by_kind():
    def count(kind):
        samples = next(iter(counting.DATABASE_ERRORS.collect())).samples
        return sum(one.value for one in samples if one.labels == {"kind": kind} and one.name.endswith("_total"))

    before = count("other"), count("away")
    counting.database_error(DatabaseError("odd"))
    counting.database_error(ValueError("no database's"))
    assert (count("other"), count("away")) == (before[0] + 1, before[1])


def test_a_dead_process_keeps_no_request_and_its_counts_stay(tmp_path, monkeypatch):
    """Files as prometheus_client writes them, of a process number that nobody has."""
    from prometheus_client.mmap_dict import MmapedDict, mmap_key

    monkeypatch.setenv(shared.FOLDER, str(tmp_path))
    for kind, name in (("gauge_livesum", "mediscan_lane_requests"), ("counter", "made_total")):
        file = MmapedDict(str(tmp_path / f"{kind}_4194999.db"))
        file.write_value(mmap_key(name.removesuffix("_total"), name, [], [], "help"), 3.0, 0.0)
        file.close()
    told = exposition([]).decode()
    assert "made_total 3.0" in told
    assert "mediscan_lane_requests" not in told


def test_a_folder_that_was_taken_away_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv(shared.FOLDER, str(tmp_path / "gone"))
    with pytest.raises(Unavailable, match="METRICS_DIR"):
        exposition([])


def test_a_new_start_begins_with_an_empty_folder(tmp_path, monkeypatch):
    # What `begin` sets is taken back with this.
    monkeypatch.setenv(shared.FOLDER, "")
    place = shared.place(tmp_path, "[::1]:8000")
    place.mkdir(parents=True)
    (place / "counter_1.db").write_bytes(b"old")
    shared.begin(place)
    assert list(place.iterdir()) == []
    assert shared.place(tmp_path, "127.0.0.1:8001") != place
    shared.end(place)
    assert not place.exists()
