"""How many items of a job ended how: kept in the job's row once it has ended, counted for as long as it goes on. A list of jobs
of a hundred thousand items each would count millions of rows."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from django.db.models import Count, Model, QuerySet
from django.db.models.query import ModelIterable

from mediscan_site.core.models import ENDED, WorkItem

Job = TypeVar("Job", bound=Model)
Numbers = Mapping[str, int]


def numbered(
    jobs: "QuerySet[Job]", items: "QuerySet[Any]", told: Callable[[Sequence[Any], Mapping[int, Numbers]], None]
) -> "QuerySet[Job]":
    """The same jobs; when they are loaded, `told` gets them with the numbers of each: {key of the job: {outcome: number}}.
    `items`: their rows, from which `batch` leads to the job. One query more where some of the jobs have not ended."""

    class Numbered(ModelIterable[Any]):
        def __iter__(self) -> Iterator[Any]:
            rows = list(super().__iter__())
            told(rows, _numbers(rows, items))
            yield from rows

    marked = jobs.all()
    marked._iterable_class = Numbered
    return marked


def keep(job: WorkItem, items: "QuerySet[Any]") -> None:
    """Write the numbers of a job that has just ended into its row. In the transaction of its end."""
    found = counted(items.filter(batch=job.pk)).get(job.pk, {})
    type(job)._default_manager.filter(pk=job.pk).update(**{"numbers": found})


def counted(items: "QuerySet[Any]") -> dict[int, dict[str, int]]:
    """{key of the job: {outcome: number}}."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    rows = items.order_by().values_list("batch", "outcome").annotate(number=Count("pk"))
    for job, outcome, number in rows:
        found[job][outcome] = number
    return found


def _numbers(jobs: Sequence[Any], items: "QuerySet[Any]") -> dict[int, Numbers]:
    kept = {job.pk: job.numbers for job in jobs if job.status in ENDED and job.numbers}
    others = [job.pk for job in jobs if job.pk not in kept]
    return {**(counted(items.filter(batch__in=others)) if others else {}), **kept}
