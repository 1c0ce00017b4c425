"""Read queries over several apps: the dashboard, everybody's jobs, the audit log."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet, Value
from django.db.models.query import ModelIterable
from django.urls import reverse
from guardian.shortcuts import get_objects_for_user

from images.models import Project
from images.policies import allowing, visible_projects
from labeling.models import Export, GoldScan, Import
from labeling.policies import visible_exports, visible_imports
from mediscan_site.core.backup import selectors as backups
from mediscan_site.core.database import there_is, upto
from mediscan_site.core.errors import Forbidden
from mediscan_site.core.http.pages import Page, keyset_page
from mediscan_site.core.messages.selectors import COUNTED
from mediscan_site.core.models import ACTIVE, AuditEvent, AuditSeal, Notice, User, WorkStatus
from mediscan_site.core.notices import standing
from mediscan_site.core.policies import is_admin
from mediscan_site.front.messages.selectors import visible_messages
from models_registry.batches.policies import visible_batches
from models_registry.policies import visible_evaluations, visible_grades
from training.models import TrainingRun
from training.policies import visible_runs

JOBS_SHOWN = 50
PEOPLE_SUGGESTED = 200
# Events whose details say what somebody thinks of a scan.
SAID = ("label.create", "review.create", "doubt.keep", "feedback.create", "referral.read")
# Events of what was read, or tried in vain.
NO_CHANGES = ("scan.open", "scan.download", "refused", "login.failed", "login.locked", "token.reuse")


@dataclass(frozen=True)
class Job:
    """One line of the jobs page. `cancel` is the address where a POST cancels it; empty when it cannot be cancelled. `needs`: the
    right in the project that whoever cancels must have, where seeing the address is not enough; `loses`: what becomes of it."""

    kind: str
    name: str
    url: str
    project: Project
    by: str
    at: datetime
    status: str
    progress: float
    error: str
    cancel: str = ""
    needs: str = ""
    loses: str = ""


def _job(kind: str, name: str, url: str, project: Project, by: Any, row: Any, **cancelling: str) -> Job:
    open_ended = row.status in ACTIVE and not row.cancel_requested
    return Job(
        kind=kind,
        name=name,
        url=url,
        project=project,
        by=by.username,
        at=row.created_at,
        status=row.status,
        progress=row.progress,
        error=row.error,
        **(cancelling if open_ended else {}),
    )


def _import_job(row: Import) -> Job:
    return _job("import", row.file_name, reverse("import", args=[row.pk]), row.project, row.created_by, row)


def _export_job(row: Export) -> Job:
    name = row.snapshot.code if row.snapshot else "scans"
    return _job("export", name, reverse("export", args=[row.pk]), row.project, row.created_by, row)


def _run_job(row: TrainingRun) -> Job:
    return _job(
        "training run",
        row.code,
        reverse("run", args=[row.pk]),
        row.project,
        row.created_by,
        row,
        cancel=reverse("run_cancel", args=[row.pk]),
        needs="train_model",
        loses="What it has learnt is lost.",
    )


def _evaluation_job(row: Any) -> Job:
    url = reverse("model", args=[row.model_id])
    return _job("evaluation", f"{row.model.code} on {row.snapshot.code}", url, row.model.project, row.requested_by, row)


def _grade_job(row: Any) -> Job:
    url = reverse("grade_detail", args=[row.pk])
    return _job("grade", f"{row.image.code} by {row.model.code}", url, row.project, row.requested_by, row)


def _batch_job(row: Any) -> Job:
    name = f"{row.total} scan{'' if row.total == 1 else 's'} by {row.model.code}"
    return _job(
        "grade batch",
        name,
        reverse("grade_batch", args=[row.pk]),
        row.project,
        row.requested_by,
        row,
        cancel=reverse("grade_batch_cancel", args=[row.pk]) if row.is_own else "",
        loses="What was graded stays.",
    )


def _imports(user: Any) -> QuerySet[Any]:
    return visible_imports(user).select_related("project", "created_by")


def _exports(user: Any) -> QuerySet[Any]:
    return visible_exports(user).select_related("project", "created_by", "snapshot")


def _runs(user: Any) -> QuerySet[Any]:
    return visible_runs(user).select_related("project", "created_by")


def _evaluations(user: Any) -> QuerySet[Any]:
    return visible_evaluations(user).select_related("model__project", "snapshot", "requested_by")


def _grades(user: Any) -> QuerySet[Any]:
    """What was asked for one by one: a batch is a job of its own."""
    # As a list: for `NOT batched`, which a plain comparison becomes, SQLite uses no index.
    single = visible_grades(user).filter(batched__in=[False])
    return single.select_related("project", "image", "model", "requested_by")


def _batches(user: Any) -> QuerySet[Any]:
    rows = visible_batches(user).select_related("project", "model", "requested_by")
    return rows.annotate(is_own=Value(value=True) if is_admin(user) else Q(requested_by=user.pk))


_KINDS: dict[str, tuple[Callable[[Any], QuerySet[Any]], Callable[[Any], Job]]] = {
    "imports": (_imports, _import_job),
    "exports": (_exports, _export_job),
    "runs": (_runs, _run_job),
    "evaluations": (_evaluations, _evaluation_job),
    "grades": (_grades, _grade_job),
    "batches": (_batches, _batch_job),
}
JOB_KINDS = tuple(_KINDS)


def jobs(user: Any, *, kind: str = "", status: str = "", cursor: str | None = None) -> Page:
    """The user's long jobs, newest first. One kind is paged; of all kinds together the newest are shown."""
    if kind in _KINDS:
        rows, shape = _KINDS[kind]
        page = keyset_page(_with_status(rows(user), status), ordering="-id", cursor=cursor, size=JOBS_SHOWN)
        return Page([shape(row) for row in page.rows], page.next, page.previous)
    newest = chain.from_iterable(
        map(shape, _newest(_with_status(rows(user), status))) for rows, shape in _KINDS.values()
    )
    return Page(sorted(newest, key=lambda job: job.at, reverse=True)[:JOBS_SHOWN], None, None)


def _newest(rows: QuerySet[Any]) -> list[Any]:
    return keyset_page(rows, ordering="-id", cursor=None, size=JOBS_SHOWN).rows


def _with_status(rows: QuerySet[Any], status: str) -> QuerySet[Any]:
    if status == "active":
        return rows.filter(status__in=ACTIVE)
    return rows.filter(status=status) if status in WorkStatus.values else rows


def notices(user: Any) -> list[Notice]:
    """What is wrong with the site, for those who can mend it."""
    return standing() if is_admin(user) else []


def backup_notice(user: Any) -> str:
    """What is wrong with the backups, for those who can fix it."""
    return backups.notice() if is_admin(user) else ""


def _audited_projects(user: Any) -> QuerySet[Project]:
    granted: QuerySet[Project] = get_objects_for_user(user, "images.view_audit", Project, with_superuser=False)
    return visible_projects(user).filter(pk__in=granted.values("pk"))


def sees_audit(user: Any) -> bool:
    return is_admin(user) or (user.is_authenticated and user.is_active and _audited_projects(user).exists())


@dataclass(frozen=True)
class Bar:
    """What the bar of every page says of one reader, in one query: whether they may read the audit log, and how many messages
    are unread (`messages.selectors.COUNTED` stands for that many and more)."""

    user: Any

    @property
    def sees_audit(self) -> bool:
        return is_admin(self.user) or bool(self._told.get("audits"))

    @property
    def unread(self) -> int:
        return int(self._told.get("unread", 0))

    @property
    def unread_shown(self) -> str:
        return f"{self.unread - 1}+" if self.unread == COUNTED else str(self.unread)

    @cached_property
    def _told(self) -> dict[str, Any]:
        if not isinstance(self.user, User) or not self.user.is_active:
            return {}
        asked: dict[str, Any] = {"unread": upto(visible_messages(self.user).filter(read_at=None), COUNTED - 1)}
        if not is_admin(self.user):
            asked["audits"] = Exists(_audited_projects(self.user))
        rows: Any = User.objects.filter(pk=self.user.pk).values(**asked)
        return dict(rows.first() or {})


def audit_events(user: Any) -> QuerySet[AuditEvent]:
    """All events for an admin; for holders of `view_audit` those of their projects; Forbidden for everybody else."""
    if not sees_audit(user):
        raise Forbidden("You may not read the audit log. Ask an administrator for this right in your project.")
    events = AuditEvent.objects.select_related("seal")
    if is_admin(user):
        return events
    # Fetched first: with the keys the database reads the events of a project in the order of its index.
    audited = list(_audited_projects(user).values_list("pk", flat=True))
    theirs = Q(project=audited[0]) if len(audited) == 1 else Q(project__in=audited)
    return hushed(events.filter(theirs).exclude(_of_gold(user)), user)


class _Hushed(ModelIterable[AuditEvent]):
    def __iter__(self) -> Iterator[AuditEvent]:
        for event in super().__iter__():
            if vars(event).pop("is_hushed", False):
                event.details = {}
            yield event


def hushed(events: QuerySet[AuditEvent], user: Any) -> QuerySet[AuditEvent]:
    """The same events. Where scans are read without knowing of the others, that somebody said something, and not what."""
    read_alone = Q(reads_wanted__gt=1) | Exists(GoldScan.objects.filter(image__project=OuterRef("pk")))
    managed = allowing(user, "manage_project", Project.objects.all())
    places = Project.objects.filter(read_alone).exclude(pk__in=managed.values("pk"))
    said = Q(action__in=SAID, project__in=places.values("pk")) & ~Q(actor=user.pk)
    marked = events.annotate(is_hushed=ExpressionWrapper(said, output_field=BooleanField()))
    marked._iterable_class = _Hushed
    return marked


def audited_people(user: Any) -> list[str]:
    """Whose events this reader may ask for by name: all accounts for an admin, else the members of their audited projects."""
    found = User.objects.order_by("username")
    if not is_admin(user):
        found = found.filter(memberships__project__in=_audited_projects(user)).distinct()
    return list(found.values_list("username", flat=True)[:PEOPLE_SUGGESTED])


def changes(user: Any) -> QuerySet[AuditSeal]:
    """The sealed events of the projects a user sees; an admin sees all. What changed nothing is left out."""
    hidden = Q(action__in=NO_CHANGES)
    if not is_admin(user):
        hidden |= ~Q(project__in=list(visible_projects(user).values_list("pk", flat=True))) | _of_gold(user)
    # Asked of each event in the order of the seals: joined with them, MySQL may begin at the events, and sort them all.
    events = AuditEvent.objects.filter(hidden, pk=OuterRef("event"))
    return AuditSeal.objects.select_related("event").filter(~there_is(events))


def _of_gold(user: Any) -> Q:
    """Which scans measure readers, only who manages the project knows."""
    managed = allowing(user, "manage_project", Project.objects.all()).values("pk")
    return Q(action="scan.gold") & ~Q(project__in=managed)
