"""Who gets which scan next. A lease is a row, unique per scan and task: two readers are never handed the same scan."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from images.models import ApprovalStatus, Image, LabelStatus, Project
from labeling.models import Lease, Reference
from labeling.policies import require
from mediscan_site.core import audit, text
from mediscan_site.core.database import insert_all
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import User

LEASE = timedelta(minutes=10)
MAX_N = 3
ORDERS = ("oldest", "uncertain")
RIGHTS = {Lease.Task.LABEL: "label_image", Lease.Task.REVIEW: "review_label"}


def waits(user: User | AnonymousUser, task: str) -> Q:
    """What makes a scan wait for this user: the one rule behind the queue and every count that a page shows of it. Nothing
    that is held back, and for review none of the user's own labels."""
    free = Q(erased_at__isnull=True, hold="")
    if task == Lease.Task.LABEL:
        return free & (Q(label_status=LabelStatus.UNLABELED) | Q(approval_status=ApprovalStatus.REJECTED))
    undecided = (ApprovalStatus.PENDING, ApprovalStatus.MODIFIED)
    # A null annotator is a model: its label may be reviewed by anybody.
    foreign = Q(annotator__isnull=True) | ~Q(annotator=user.pk)
    # Nor one given with a service token that this user made: four-eyes would refuse it.
    through = Reference.objects.filter(label__through=user.pk or 0)
    foreign &= ~Q(pk__in=through.values("image"))
    return free & foreign & Q(label_status=LabelStatus.LABELED, approval_status__in=undecided)


def waiting(*, user: User, project: Project, task: str) -> QuerySet[Image]:
    """The scans that this task could hand to this user, leased or not."""
    return Image.objects.filter(waits(user, task), project=project)


def claim_scans(*, actor: User, project: Project, task: str, n: int = 1, order: str = "oldest") -> list[Lease]:
    """Up to `n` scans for the actor alone, for ten minutes; none when nothing waits. Raises Invalid for bad arguments."""
    job = _parse_task(task)
    require(actor, RIGHTS[job], project)
    require_number(n)
    if order not in ORDERS:
        raise Invalid(f"order must be one of: {', '.join(ORDERS)}.", attr="order", code="invalid_choice")
    leases: list[Lease] = []
    seen: set[int] = set()
    while len(leases) < n:
        offered = _offer(actor, project, job, order, without=seen, count=4 * n)
        if not offered:
            break
        seen.update(offered)
        leases += _take(actor, project, job, offered, n - len(leases))
    return leases


def require_number(n: object) -> None:
    """Invalid for anything but a number of scans that one reader may have on the desk."""
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_N:
        raise Invalid(f"n must be a whole number from 1 to {MAX_N}.", attr="n")


def _parse_task(task: str) -> Lease.Task:
    value = text.choice(task, attr="task", choices=Lease.Task.values)
    if value is None:
        raise Invalid(f"task must be one of: {', '.join(Lease.Task.values)}.", attr="task", code="required")
    return Lease.Task(value)


def _offer(
    actor: User, project: Project, task: Lease.Task, order: str, *, without: Iterable[int], count: int
) -> list[int]:
    held = Lease.objects.filter(image=OuterRef("pk"), task=task, expires_at__gt=timezone.now())
    scans = waiting(user=actor, project=project, task=task).exclude(Exists(held)).exclude(pk__in=list(without))
    by: tuple[Any, ...] = ("upload_date", "id")
    if order == "uncertain":
        by = (F("queue_score__score").desc(nulls_last=True), *by)
    return list(scans.order_by(*by).values_list("pk", flat=True)[:count])


def _take(actor: User, project: Project, task: Lease.Task, offered: Sequence[int], wanted: int) -> list[Lease]:
    taken: list[Lease] = []
    for pk in offered:
        if len(taken) == wanted:
            break
        lease = _lease(actor, project, task, pk)
        if lease is not None:
            taken.append(lease)
    return taken


def _lease(actor: User, project: Project, task: Lease.Task, pk: int) -> Lease | None:
    """Take over an expired lease, or make a new one; None when somebody else was quicker. The database decides the race."""
    now = timezone.now()
    held = {"holder": actor, "expires_at": now + LEASE}
    try:
        with transaction.atomic():
            rows = Lease.objects.filter(image=pk, task=task)
            if not rows.filter(expires_at__lte=now).update(**held):
                Lease.objects.create(image_id=pk, task=task, **held)
            audit.record("queue.claim", actor=actor, obj=Image(pk=pk), project=project.pk, details={"task": str(task)})
            return rows.select_related("image", "holder").get()
    except IntegrityError:
        return None


def release_scans(
    *, actor: User, project: Project, task: str | None = None, images: Sequence[Image] | None = None
) -> int:
    """Give back the user's leases in the project (of one task, of some scans, or all). Returns how many there were."""
    require(actor, "view_project", project)
    leases = Lease.objects.filter(holder=actor, image__project=project)
    if task:
        leases = leases.filter(task=_parse_task(task))
    if images is not None:
        leases = leases.filter(image__in=[image.pk for image in images])
    return leases.delete()[0]


def claim_batch(*, actor: User, project: Project, n: int, order: str = "oldest") -> list[int]:
    """Up to `n` scans to label for the actor alone, for ten minutes, in a few statements: a page of a grid. What the actor holds
    already counts and is held anew. Returns them, what was held first."""
    require(actor, RIGHTS[Lease.Task.LABEL], project)
    until = timezone.now() + LEASE
    job = {"task": Lease.Task.LABEL, "image__project": project}
    still = waiting(user=actor, project=project, task=Lease.Task.LABEL).values("pk")
    with transaction.atomic():
        mine = Lease.objects.filter(**job, holder=actor, expires_at__gt=timezone.now(), image__in=still)
        held = list(mine.order_by("image_id").values_list("image_id", flat=True)[:n])
        Lease.objects.filter(**job, holder=actor, image__in=held).update(expires_at=until)
        offered = (
            _offer(actor, project, Lease.Task.LABEL, order, without=held, count=n - len(held)) if n > len(held) else []
        )
        Lease.objects.filter(**job, image__in=offered, expires_at__lte=timezone.now()).delete()
        new = {"task": Lease.Task.LABEL, "holder": actor, "expires_at": until}
        insert_all([Lease(image_id=pk, **new) for pk in offered], ignore_conflicts=True)
        got = set(Lease.objects.filter(image__in=offered, **new).values_list("image_id", flat=True))
        about = [(Image(pk=pk), {"task": str(Lease.Task.LABEL)}) for pk in offered if pk in got]
        if about:
            audit.record_many("queue.claim", actor=actor, project=project.pk, about=about)
    return [*held, *(pk for pk in offered if pk in got)]


def release_batch(*, actor: User, project: Project, until: datetime) -> int:
    """Give back the scans of a grid that was left: those held no longer than that page said. Another page of the same reader
    holds its own longer."""
    require(actor, "view_project", project)
    mine = Lease.objects.filter(holder=actor, image__project=project, task=Lease.Task.LABEL)
    return mine.filter(expires_at__lte=until).delete()[0]
