"""Numbers of scans, which are kept, and of work, counted no further than a page can use."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from images.counts import ScanNumber
from images.models import ApprovalStatus, LabelStatus, Project, ProjectClass
from labeling.reading.selectors import label_doubts, queue_counts
from mediscan_site.core.database import upto
from mediscan_site.core.http.pages import MOST_COUNTED
from mediscan_site.core.models import User
from mediscan_site.front.axes import grouped
from models_registry.watch.reads import waiting as blind_reads
from models_registry.worklists.selectors import waiting as referrals

# Of work, more is "10,000+".
MOST_WORK: Final = MOST_COUNTED


def bounded(number: int) -> str:
    """1204 -> "1,204"; more than was counted -> "10,000+"."""
    return f"{grouped(MOST_WORK)}+" if number > MOST_WORK else grouped(number)


WAITING: dict[str, Callable[[User, Project], QuerySet[Any]]] = {
    "referred": lambda user, project: referrals(project),
    "blind": blind_reads,
    "doubts": lambda user, project: label_doubts(project, user),
}


def waiting(user: User, projects: Sequence[Project]) -> dict[int, dict[str, int]]:
    """Per project what waits outside the queues: one query."""
    asked: dict[str, Any] = {
        f"{name}_{project.pk}": upto(rows(user, project), MOST_WORK)
        for project in projects
        for name, rows in WAITING.items()
    }
    found: Any = User.objects.filter(pk=user.pk).values(**asked).get() if asked else {}
    return {project.pk: {name: found[f"{name}_{project.pk}"] for name in WAITING} for project in projects}


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


def progress(rows: Sequence[ScanNumber]) -> list[dict[str, Any]]:
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


def balance(rows: Sequence[ScanNumber], classes: Iterable[ProjectClass]) -> list[dict[str, Any]]:
    """Scans of each class that has some, in the project's order; what cannot be graded last."""
    ungradable = _number(rows, label_status=LabelStatus.LABELED, label_class=0)
    bars = [{"label": row.name, "value": _number(rows, label_class=row.pk)} for row in classes]
    lost = {"label": _("ungradable"), "value": ungradable, "series": "rest"}
    return [bar for bar in (*bars, lost) if bar["value"]]


def total(rows: Sequence[ScanNumber]) -> int:
    return _number(rows)


def labelled(rows: Sequence[ScanNumber]) -> int:
    return _number(rows, label_status=LabelStatus.LABELED)


def _number(rows: Sequence[ScanNumber], **wanted: Any) -> int:
    return sum(row.number for row in rows if all(getattr(row, name) == value for name, value in wanted.items()))
