"""Numbers of scans and of work, counted no further than a page can use."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from django.db.models import Count, QuerySet, Subquery
from django.utils.translation import gettext as _

from images.models import ApprovalStatus, Image, LabelStatus, Project
from labeling.models import Label
from labeling.reading.selectors import label_doubts, queue_counts
from mediscan_site.core.database import upto
from mediscan_site.core.http.pages import MOST_COUNTED
from mediscan_site.core.models import User
from mediscan_site.front.axes import grouped
from models_registry.models import Grade
from models_registry.watch.reads import waiting as blind_reads
from models_registry.worklists.selectors import waiting as referrals

# Of work, more is "10,000+"; of scans, more are not counted by state and class for a page that shows many projects.
MOST_WORK: Final = MOST_COUNTED
MOST_SCANS: Final = 100_000


def bounded(number: int) -> str:
    """1204 -> "1,204"; more than was counted -> "10,000+"."""
    return f"{grouped(MOST_WORK)}+" if number > MOST_WORK else grouped(number)


WAITING: dict[str, Callable[[User, Project], QuerySet[Any]]] = {
    "referred": lambda user, project: referrals(project),
    "blind": blind_reads,
    "doubts": lambda user, project: label_doubts(project, user),
}


def counts(user: User, projects: Sequence[Project]) -> tuple[dict[int, dict[str, int]], dict[str, int]]:
    """Per project `scans` and what waits outside the queues, and the newest label and grade there are: one query."""
    asked: dict[str, Any] = {
        "newest_label": Subquery(Label.objects.order_by("-pk").values("pk")[:1]),
        "newest_grade": Subquery(Grade.objects.order_by("-pk").values("pk")[:1]),
    }
    for project in projects:
        scans = Image.objects.filter(project=project, erased_at__isnull=True)
        asked[f"scans_{project.pk}"] = upto(scans, MOST_SCANS)
        for name, rows in WAITING.items():
            asked[f"{name}_{project.pk}"] = upto(rows(user, project), MOST_WORK)
    found: Any = User.objects.filter(pk=user.pk).values(**asked).get()
    names = ("scans", *WAITING)
    return (
        {project.pk: {name: found[f"{name}_{project.pk}"] for name in names} for project in projects},
        {name: found[name] or 0 for name in ("newest_label", "newest_grade")},
    )


def queues(user: User, projects: Sequence[Project]) -> dict[int, dict[str, int]]:
    """What the desks count, under the names that pages use: to_label, to_review, to_adjudicate where there is such a queue."""
    found = queue_counts(user=user, projects=projects)
    return {
        pk: {
            "to_label": numbers.get("label", 0),
            "to_review": numbers.get("review", 0),
            "to_adjudicate": numbers.get("to_adjudicate", numbers.get("adjudicate", 0)),
        }
        for pk, numbers in found.items()
    }


def states(projects: Sequence[Project]) -> dict[int, list[dict[str, Any]]]:
    """Scans of each project by state of their label and by class: one query."""
    rows = Image.objects.filter(project__in=[project.pk for project in projects], erased_at__isnull=True).order_by()
    names = ("label_status", "approval_status", "label_class", "label_class__name", "label_class__position")
    found: dict[int, list[dict[str, Any]]] = {project.pk: [] for project in projects}
    for row in rows.values("project", *names).annotate(number=Count("pk")):
        found[row["project"]].append(row)
    return found


def progress(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of a bar: approved, waiting for a review, rejected, to label. What there is none of is left out."""
    unlabelled = _number(rows, label_status=LabelStatus.UNLABELED)
    decided = {
        status: _number(rows, label_status=LabelStatus.LABELED, approval_status=status) for status in ApprovalStatus
    }
    parts = [
        (_("approved"), decided[ApprovalStatus.APPROVED], 0),
        (_("wait for a review"), decided[ApprovalStatus.PENDING] + decided[ApprovalStatus.MODIFIED], 1),
        (_("rejected"), decided[ApprovalStatus.REJECTED], 3),
        (_("without a label"), unlabelled, "rest"),
    ]
    return [{"label": label, "value": value, "series": series} for label, value, series in parts if value]


def balance(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Scans of each class that has some, in the project's order; what cannot be graded last."""
    classes: dict[tuple[int, str], int] = {}
    ungradable = 0
    for row in rows:
        if row["label_class"] is not None:
            key = (row["label_class__position"], row["label_class__name"])
            classes[key] = classes.get(key, 0) + row["number"]
        elif row["label_status"] == LabelStatus.LABELED:
            ungradable += row["number"]
    bars = [{"label": name, "value": number} for (_position, name), number in sorted(classes.items())]
    return [*bars, *([{"label": _("ungradable"), "value": ungradable, "series": "rest"}] if ungradable else [])]


def labelled(rows: Sequence[dict[str, Any]]) -> int:
    return _number(rows, label_status=LabelStatus.LABELED)


def _number(rows: Sequence[dict[str, Any]], **wanted: str) -> int:
    return sum(row["number"] for row in rows if all(row[name] == value for name, value in wanted.items()))
