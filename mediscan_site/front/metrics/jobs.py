"""What workers have to do, do and did, read from the rows at each scrape: they are the truth, whichever machine works on them,
and they know of work whose worker was lost. A worker's own counts would die with its processes, and need a port on each machine.

A scrape costs the same with ten rows and ten million. Waiting and running rows are counted up to MOST. What ended is told of the
last WINDOW seconds, as a gauge and a histogram of that time (no counter: nobody counts a table of millions), from at most MOST
rows of each kind, found by the index of states and heartbeats."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final

from django.db.models import Count, Min, QuerySet
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeHistogramMetricFamily, GaugeMetricFamily

from mediscan_site.core import work
from mediscan_site.core.database import ago
from mediscan_site.core.models import WorkItem, WorkStatus
from models_registry.models import Grade

WINDOW: Final = timedelta(minutes=5)
MOST: Final = 10_000
OUTCOMES: Final = (WorkStatus.SUCCEEDED, WorkStatus.FAILED, WorkStatus.CANCELLED)
JOB_BOUNDS: Final = (0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
GRADE_BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
RECENT: Final = f"in the last {WINDOW.seconds // 60} minutes"


def kind_of(model: type[WorkItem]) -> str:
    """As in `mediscan_queue_length{kind="grade_batch"}`."""
    return str(model._meta.verbose_name).replace(" ", "_")


def metrics() -> Iterator[Metric]:
    """Queues and what became of the work, by kind."""
    now = timezone.now()
    length = GaugeMetricFamily("mediscan_queue_length", f"Jobs that wait, up to {MOST}", labels=["kind"])
    oldest = GaugeMetricFamily(
        "mediscan_queue_oldest_seconds", "Since the oldest of them was asked for", labels=["kind"]
    )
    running = GaugeMetricFamily("mediscan_jobs_running", "Jobs that a worker has taken", labels=["kind"])
    silent = GaugeMetricFamily(
        "mediscan_jobs_silent_seconds", "Longest time without a heartbeat among them", labels=["kind"]
    )
    ended = GaugeMetricFamily("mediscan_jobs_ended", f"Jobs that ended {RECENT}", labels=["kind", "outcome"])
    seconds = GaugeHistogramMetricFamily(
        "mediscan_job_seconds", f"From begin to end, of jobs that ended {RECENT}", labels=["kind"]
    )
    for model in work.kinds():
        kind, rows = [kind_of(model)], model._default_manager.all()
        waiting, since = _counted(rows.filter(status=WorkStatus.QUEUED), model.asked_field)
        length.add_metric(kind, waiting)
        oldest.add_metric(kind, _age(since, now))
        taken, beat = _counted(rows.filter(status=WorkStatus.RUNNING), "heartbeat_at")
        running.add_metric(kind, taken)
        silent.add_metric(kind, _age(beat, now))
        spent = _ended(rows, ended, kind)
        seconds.add_metric(kind, *_histogram(spent, JOB_BOUNDS))
    yield from (length, oldest, running, silent, ended, seconds)
    yield from _grades()


def _counted(rows: "QuerySet[Any]", moment: str) -> tuple[int, datetime | None]:
    # In the order of the index that every such table has or needs not.
    found = rows.order_by("heartbeat_at")[:MOST].aggregate(number=Count("pk"), first=Min(moment))
    return found["number"], found["first"]


def _age(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0


def _lately(rows: "QuerySet[Any]", statuses: Iterable[str]) -> "QuerySet[Any]":
    """A row that ended in the window has beaten in it or been claimed, unless its worker was lost before."""
    return rows.filter(status__in=list(statuses), heartbeat_at__gt=ago(WINDOW)).order_by("-heartbeat_at")[:MOST]


def _ended(rows: "QuerySet[Any]", ended: GaugeMetricFamily, kind: list[str]) -> list[float]:
    found = list(_lately(rows, OUTCOMES).values_list("status", "started_at", "finished_at"))
    numbers = Counter(status for status, _, _ in found)
    for status in OUTCOMES:
        ended.add_metric([*kind, status.value], numbers[status.value])
    return [(over - began).total_seconds() for _, began, over in found if began and over]


def _grades() -> Iterator[Metric]:
    columns = ("created_at", "finished_at", "decision")
    rows = list(_lately(Grade.objects.all(), [WorkStatus.SUCCEEDED]).values_list(*columns))
    latency = GaugeHistogramMetricFamily(
        "mediscan_grade_seconds", f"From question to answer, of grades answered {RECENT}"
    )
    latency.add_metric(
        [], *_histogram([(over - asked).total_seconds() for asked, over, _ in rows if over], GRADE_BOUNDS)
    )
    yield latency
    answered = GaugeMetricFamily("mediscan_grades_answered", f"Grades {RECENT}, by decision", labels=["decision"])
    numbers = Counter(decision for _, _, decision in rows)
    for decision in Grade.Decision:
        answered.add_metric([decision.value], numbers[decision.value])
    yield answered


def _histogram(values: Iterable[float], bounds: tuple[float, ...]) -> tuple[list[tuple[str, float]], float]:
    """Cumulated counts by upper bound, and the sum, as prometheus_client takes them."""
    counts, total = [0] * (len(bounds) + 1), 0.0
    for value in values:
        counts[bisect_left(bounds, value)] += 1
        total += value
    names = [*(str(bound) for bound in bounds), "+Inf"]
    return list(zip(names, map(float, accumulate(counts)), strict=True)), total
