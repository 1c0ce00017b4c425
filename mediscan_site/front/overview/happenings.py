"""What runs now and what has ended lately, of every kind of work, in one query."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import CharField, F, FloatField, IntegerField, QuerySet, Value
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from labeling.models import Export, Import, Snapshot
from mediscan_site.core.models import ACTIVE, ENDED
from models_registry.models import Alarm, Deployment, Evaluation, GradeBatch
from training.models import TrainingRun

LOOKED_BACK: Final = timedelta(weeks=4)
MOST: Final = 40
TONES: Final = {"failed": "bad", "alarm": "care"}

# How each kind of row is called, where it leads, and what it is once it has ended so.
NAMES: Final[dict[str, tuple[Promise, str]]] = {
    "import": (_("Import %(id)s"), "import"),
    "export": (_("Export %(id)s"), "export"),
    "run": (_("Training run training%(id)03d"), "run"),
    "batch": (_("Grades of many scans, batch %(id)s"), "grade_batch"),
    "evaluation": (_("Measuring of model%(id)03d"), "model"),
}
ENDS: Final[dict[tuple[str, str], tuple[Promise, str]]] = {
    ("import", "succeeded"): (_("Import %(id)s ended: its scans are here"), "import"),
    ("import", "failed"): (_("Import %(id)s failed"), "import"),
    ("run", "succeeded"): (_("Training run training%(id)03d ended"), "run"),
    ("run", "failed"): (_("Training run training%(id)03d failed"), "run"),
    ("batch", "succeeded"): (_("A batch of grades ended (batch %(id)s)"), "grade_batch"),
    ("batch", "failed"): (_("A batch of grades failed (batch %(id)s)"), "grade_batch"),
    ("evaluation", "succeeded"): (_("model%(id)03d was measured on a test set"), "model"),
    ("deployment", "deploy"): (_("model%(id)03d was deployed: it grades from now on"), "model"),
    ("deployment", "rollback"): (_("Rolled back to model%(id)03d"), "model"),
    ("alarm", "alarm"): (
        _("An alarm: the scans of a place no longer look like those that model%(id)03d knows"),
        "watching",
    ),
    ("snapshot", "snapshot"): (_("Data set dataset%(id)03d was frozen"), "dataset"),
}


@dataclass(frozen=True)
class Happening:
    """`tone`: "bad" and "care" ask for a look."""

    text: str
    url: str
    project: int
    at: datetime
    share: float
    runs: bool
    tone: str


def happenings(projects: Collection[int]) -> tuple[list[Happening], list[Happening]]:
    """(what runs, what ended in the last four weeks), newest first."""
    since = timezone.now() - LOOKED_BACK
    parts = [*_work(projects, since), *_facts(projects, since)]
    rows = parts[0].union(*parts[1:], all=True).order_by("-t_runs", "-t_when")[:MOST]
    found = [one for one in map(_told, rows) if one is not None]
    return [one for one in found if one.runs], [one for one in found if not one.runs]


def _work(projects: Collection[int], since: datetime) -> Iterator[QuerySet[Any, Any]]:
    for model, kind in ((Import, "import"), (Export, "export"), (TrainingRun, "run"), (GradeBatch, "batch")):
        yield from _of_work(model.objects.filter(project__in=projects), kind, since)
    asked = Evaluation.objects.filter(model__project__in=projects, origin=Evaluation.Origin.REQUEST)
    yield from _of_work(asked, "evaluation", since, key="model_id", ward="model__project_id")


def _of_work(rows: QuerySet[Any], kind: str, since: datetime, **named: str) -> Iterator[QuerySet[Any, Any]]:
    yield _rows(rows.filter(status__in=ACTIVE), kind, F("status"), F("created_at"), share=F("progress"), **named)
    yield _rows(rows.filter(status__in=ENDED, finished_at__gte=since), kind, F("status"), F("finished_at"), **named)


def _facts(projects: Collection[int], since: datetime) -> Iterator[QuerySet[Any, Any]]:
    """What is over as soon as it is written."""
    deployed = Deployment.objects.filter(project__in=projects, created_at__gte=since)
    yield _rows(deployed, "deployment", F("kind"), F("created_at"), key="model_id")
    alarms = Alarm.objects.filter(project__in=projects, raised_at__gte=since)
    yield _rows(alarms, "alarm", Value("alarm", CharField()), F("raised_at"), key="model_id")
    frozen = Snapshot.objects.filter(project__in=projects, created_at__gte=since)
    yield _rows(frozen, "snapshot", Value("snapshot", CharField()), F("created_at"))


def _rows(
    rows: QuerySet[Any],
    kind: str,
    what: Any,
    when: Any,
    *,
    key: str = "pk",
    ward: str = "project_id",
    share: Any = None,
) -> QuerySet[Any, Any]:
    """The columns that all kinds have, under names that no table has; without a share done it is over."""
    columns = {
        "t_kind": Value(kind, CharField()),
        "t_key": F(key),
        "t_ward": F(ward),
        "t_what": what,
        "t_share": share or Value(1.0, FloatField()),
        "t_when": when,
        "t_runs": Value(int(share is not None), IntegerField()),
    }
    shaped: QuerySet[Any, Any] = rows.order_by().annotate(**columns).values(*columns)
    return shaped


def _told(row: dict[str, Any]) -> Happening | None:
    runs, kind = bool(row["t_runs"]), row["t_kind"]
    known = NAMES.get(kind) if runs else ENDS.get((kind, row["t_what"]))
    if known is None:
        return None
    words, page = known
    return Happening(
        text=str(words) % {"id": row["t_key"]},
        url=reverse(page, args=[row["t_key"]]),
        project=row["t_ward"],
        at=row["t_when"],
        share=row["t_share"],
        runs=runs,
        tone=TONES.get(row["t_what"], ""),
    )
