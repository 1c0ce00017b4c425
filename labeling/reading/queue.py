"""Who gets which scan next. A lease is a row, unique per scan, task and seat: two readers are never handed the same scan, unless
the project wants several readers of each; then as many as the scan still needs."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from images.models import ApprovalStatus, Image, LabelStatus, Project
from labeling.models import Lease, Read, Reference
from labeling.policies import enough_read, open_to_reading, require
from labeling.reading import again, several
from labeling.reading.rows import LEASE
from mediscan_site.core import audit, text
from mediscan_site.core.database import insert_all
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import User

MAX_N = 3
ORDERS = ("oldest", "uncertain")
RIGHTS = {
    Lease.Task.LABEL: "label_image",
    Lease.Task.REVIEW: "review_label",
    Lease.Task.ADJUDICATE: "review_label",
}


def waits(user: User | AnonymousUser, task: str) -> Q:
    """What makes a scan wait for this user: the one rule behind the queue and every count that a page shows of it. Nothing
    that is held back, and for review none of the user's own labels."""
    free = Q(erased_at__isnull=True, hold="")
    if task == Lease.Task.ADJUDICATE:
        return several.disagreeing(user)
    if task == Lease.Task.LABEL:
        # While several readers read a scan: who has not read it; when all have, nobody.
        unread = ~Q(pk__in=several.read_by(user)) & ~Q(pk__in=enough_read())
        return free & (open_to_reading() & unread | Q(pk__in=again.handed_out(user).values("image")))
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
    if job == Lease.Task.ADJUDICATE:
        several.settle_agreed(project, most=several.AT_ONCE)
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
    scans = _in_order(_free(actor, project, task).exclude(pk__in=list(without)), order)
    offered = list(scans.values_list("pk", flat=True)[:count])
    if task != Lease.Task.LABEL or without:
        return offered
    # What only measures the reader comes among the others, and first: on the desk it must not stand out by its age.
    extra = again.lapsed(actor, project) or (again.hand_out(actor, project) if offered else [])
    return [*extra, *offered]


def _in_order(scans: QuerySet[Image], order: str) -> QuerySet[Image]:
    by: tuple[Any, ...] = ("upload_date", "id")
    if order == "uncertain":
        by = (F("queue_score__score").desc(nulls_last=True), *by)
    return scans.order_by(*by)


def _free(actor: User, project: Project, task: Lease.Task) -> QuerySet[Image]:
    """What waits for the actor and has a seat free."""
    scans = waiting(user=actor, project=project, task=task)
    live = Lease.objects.filter(image=OuterRef("pk"), task=task, expires_at__gt=timezone.now())
    scans = scans.exclude(pk__in=again.handed_out(actor).values("image")).exclude(Exists(live.filter(holder=actor)))
    if task != Lease.Task.LABEL or project.reads_wanted == 1:
        return scans.exclude(Exists(live.filter(seat__gte=0)))
    held = live.filter(seat__gte=0).order_by().values("image").annotate(n=Count("pk")).values("n")
    read = Read.objects.filter(image=OuterRef("pk"), active=True).order_by().values("image").annotate(n=Count("pk"))
    taken = Coalesce(Subquery(held), 0) + Coalesce(Subquery(read.values("n")), 0)
    return scans.alias(taken=taken).filter(taken__lt=project.reads_wanted)


def _take(actor: User, project: Project, task: Lease.Task, offered: Sequence[int], wanted: int) -> list[Lease]:
    taken: list[Lease] = []
    seats = _seats(actor, project, task, offered)
    for pk in offered:
        if len(taken) == wanted:
            break
        lease = next((found for seat in seats[pk] if (found := _lease(actor, project, task, pk, seat))), None)
        if lease is not None:
            taken.append(lease)
    return taken


def _seats(actor: User, project: Project, task: Lease.Task, offered: Sequence[int]) -> dict[int, range]:
    """The seats that each scan has: as many as it still needs reads. What is handed out again has one of the actor's own."""
    if task != Lease.Task.LABEL:
        return dict.fromkeys(offered, range(1))
    open_reads = Read.objects.filter(image__in=offered, active=True).order_by().values("image")
    read = dict(open_reads.annotate(n=Count("pk")).values_list("image", "n")) if project.reads_wanted > 1 else {}
    seats = {pk: range(max(project.reads_wanted - read.get(pk, 0), 1)) for pk in offered}
    own = again.handed_out(actor).filter(image__in=offered).values_list("image", flat=True)
    return seats | dict.fromkeys(own, range(-actor.pk, 1 - actor.pk))


def _lease(actor: User, project: Project, task: Lease.Task, pk: int, seat: int) -> Lease | None:
    """Take over an expired lease, or make a new one; None when somebody else was quicker. The database decides the race."""
    now = timezone.now()
    held = {"holder": actor, "expires_at": now + LEASE}
    try:
        with transaction.atomic():
            scan = Lease.objects.filter(image=pk, task=task)
            scan.filter(holder=actor, expires_at__lte=now).exclude(seat=seat).delete()
            rows = scan.filter(seat=seat)
            if not rows.filter(expires_at__lte=now).update(**held):
                Lease.objects.create(image_id=pk, task=task, seat=seat, **held)
            audit.record("queue.claim", actor=actor, obj=Image(pk=pk), project=project.pk, details={"task": str(task)})
            return rows.select_related("image", "holder").get()
    except IntegrityError:
        return None


def lease_again(*, actor: User, image: Image, task: str) -> None:
    """Hand the actor a scan that waits again because they took their decision back; nothing if somebody else was quicker."""
    job = _parse_task(task)
    require(actor, RIGHTS[job], image.project)
    if waiting(user=actor, project=image.project, task=job).filter(pk=image.pk).exists():
        _take(actor, image.project, job, [image.pk], 1)


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
    already counts and is held anew. Returns them, what was held first. None of them is given a second time."""
    require(actor, RIGHTS[Lease.Task.LABEL], project)
    until, leases = timezone.now() + LEASE, Lease.objects.filter(task=Lease.Task.LABEL, seat=0)
    still = waiting(user=actor, project=project, task=Lease.Task.LABEL).values("pk")
    with transaction.atomic():
        mine = leases.filter(holder=actor, expires_at__gt=timezone.now(), image__in=still)
        held = list(mine.order_by("image_id").values_list("image_id", flat=True)[:n])
        leases.filter(holder=actor, image__in=held).update(expires_at=until)
        free = _in_order(_free(actor, project, Lease.Task.LABEL), order).values_list("pk", flat=True)
        offered = list(free[: n - len(held)]) if len(held) < n else []
        over = Lease.objects.filter(task=Lease.Task.LABEL, image__in=offered, expires_at__lte=timezone.now())
        over.filter(Q(seat=0) | Q(holder=actor)).delete()
        new = {"task": Lease.Task.LABEL, "seat": 0, "holder": actor, "expires_at": until}
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
