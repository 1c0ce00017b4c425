"""Tells whoever asked for a long job that it has ended. Read from the jobs' own rows, so that one whose worker was lost, which
wrote nothing any more, is told of like any other; a job that somebody cancelled is not."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from labeling.models import Export, Import
from mediscan_site.core.messages.services import tell
from mediscan_site.core.models import Message, WorkStatus
from models_registry.models import Evaluation, GradeBatch
from training.models import TrainingRun

# Looked at again and again for so long: a transaction may commit later than the end that it wrote, and a worker may be away.
LOOKED_BACK: Final = timedelta(hours=2)
AT_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Job:
    """`name`: the beginning of its kinds of message; `page`: the address of one; `facts` beside the project's name."""

    rows: Callable[[], QuerySet[Any]]
    name: str
    page: Callable[[Any], str]
    facts: Callable[[Any], dict[str, Any]]
    project: Callable[[Any], Any] = lambda row: row.project


def _number(row: Any) -> dict[str, Any]:
    return {"number": row.pk}


def _batches() -> QuerySet[Any]:
    """What somebody asked for: batches of arrivals begin and end by themselves."""
    asked = GradeBatch.objects.exclude(origin=GradeBatch.Origin.ARRIVAL)
    return asked.select_related("project", "requested_by")


JOBS: Final = (
    Job(
        lambda: TrainingRun.objects.select_related("project", "created_by"),
        "run",
        lambda row: reverse("run", args=[row.pk]),
        lambda row: {"code": row.code},
    ),
    Job(
        lambda: Import.objects.select_related("project", "created_by"),
        "import",
        lambda row: reverse("import", args=[row.pk]),
        _number,
    ),
    Job(
        lambda: Export.objects.select_related("project", "created_by"),
        "export",
        lambda row: reverse("export", args=[row.pk]),
        _number,
    ),
    Job(_batches, "batch", lambda row: reverse("grade_batch", args=[row.pk]), _number),
    Job(
        lambda: Evaluation.objects.select_related("model__project", "requested_by"),
        "evaluation",
        lambda row: reverse("model", args=[row.model_id]),
        lambda row: {"code": row.model.code},
        lambda row: row.model.project,
    ),
)


def tell_of_ended() -> None:
    for job in JOBS:
        rows = list(_ended(job).order_by("-pk")[:AT_MOST])
        told = set(_keys(job, rows))
        for row in rows:
            if _key(job, row) not in told:
                _tell(job, row)


def anything_ended() -> bool:
    return any(_ended(job).exists() for job in JOBS)


def _ended(job: Job) -> QuerySet[Any]:
    """Whoever ends a row writes its last heartbeat too, by which it is found."""
    since = timezone.now() - LOOKED_BACK
    over = (WorkStatus.SUCCEEDED, WorkStatus.FAILED)
    return job.rows().filter(status__in=over, heartbeat_at__gt=since, finished_at__gt=since)


def _keys(job: Job, rows: list[Any]) -> list[str]:
    """Of those that were told of already; by person, for so the index is made."""
    people, keys = {_asked_by(row) for row in rows}, [_key(job, row) for row in rows]
    return list(Message.objects.filter(user__in=people, key__in=keys).values_list("key", flat=True))


def _asked_by(row: Any) -> Any:
    return getattr(row, row.owner_field)


def _key(job: Job, row: Any) -> str:
    """A run that is begun anew after its end is told of again."""
    return f"{job.name}:{row.pk}:{row.attempt}:{row.status}"


def _tell(job: Job, row: Any) -> None:
    asked_by, project = _asked_by(row), job.project(row)
    kind = f"{job.name}_{'ended' if row.status == WorkStatus.SUCCEEDED else 'failed'}"
    facts = {"project": project.name, **job.facts(row)}
    if asked_by is not None:
        tell([asked_by], kind, key=_key(job, row), url=job.page(row), facts=facts, project=project.pk)
