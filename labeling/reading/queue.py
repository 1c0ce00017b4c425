"""Who gets which scan next. A lease is a row, unique per scan, task and seat: two readers are never handed the same scan, unless
the project wants several readers of each; then as many as the scan still needs."""

import random
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThan
from django.utils import timezone

from images.models import Desk, Image, Project
from labeling.models import Lease, QueueScore, Read
from labeling.policies import require
from labeling.reading import again, several
from labeling.reading.rows import LEASE
from labeling.reading.said_by import NOBODY, Spoken, spoken_in
from labeling.reading.walk import Walk
from mediscan_site.core import audit, text
from mediscan_site.core.again import done_again
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.pages import MOST_COUNTED
from mediscan_site.core.models import User

MAX_N = 3
ORDERS = ("oldest", "uncertain")
RIGHTS = {
    Lease.Task.LABEL: "label_image",
    Lease.Task.REVIEW: "review_label",
    Lease.Task.ADJUDICATE: "review_label",
}
# Disagreements are scans that still want a label.
DESKS: Final = {
    Lease.Task.LABEL.value: Desk.LABEL,
    Lease.Task.REVIEW.value: Desk.REVIEW,
    Lease.Task.ADJUDICATE.value: Desk.LABEL,
}
# Of disagreements that come next so many are looked at whether they still are.
SETTLED: Final = 20
# For each scan that is wanted so many are looked at: others may be quicker.
OFFERED: Final = 16
_chance = random.SystemRandom()


@dataclass(frozen=True)
class Queue:
    """What waits for one user at one desk of one project, leased or not: the one rule behind what is handed out and every count
    that a page shows of it. `sets`: who may have spoken of it (`SaidBy`), so that none of the user's own labels comes for review,
    nor a scan that they have read. `given`: what is handed to the user once more, though it waits for nobody."""

    user: User | AnonymousUser
    project: Project
    task: str
    sets: Sequence[str]
    given: Sequence[int]

    @property
    def waiting(self) -> QuerySet[Image]:
        """Whether scans that are known by their keys wait; to find some, or to count, ask the other two."""
        return self.counted | Image.objects.filter(pk__in=self.given) if self.given else self.counted

    @property
    def counted(self) -> QuerySet[Image]:
        """What is counted; `given` comes on top."""
        return self._desk.filter(said_by__in=self.sets)

    @property
    def number(self) -> int:
        """How many wait, counted to one more than MOST_COUNTED."""
        return min(self.counted[: MOST_COUNTED + 1].count() + len(self.given), MOST_COUNTED + 1)

    def walk(self, rows: QuerySet[Image] | None = None, *, free: Q | None = None) -> Walk:
        """Those that anybody may be handed, in order. `free`: of these only; `rows`: with what a page shows of them."""
        base = self._desk if free is None else self._desk.filter(free)
        return Walk(self.project.pk, base, self.sets, Image.objects.all() if rows is None else rows)

    @property
    def _desk(self) -> QuerySet[Image]:
        return Image.objects.filter(project=self.project, desk=DESKS[self.task])


def queue_of(*, user: User | AnonymousUser, project: Project, task: str) -> Queue:
    """Two queries at most: what it finds is true of this moment."""
    known = _known([project]) if task != Lease.Task.LABEL or project.reads_wanted > 1 else _known([])
    return _queue(user, project, task, known, _given(user, [project]) if task == Lease.Task.LABEL else {})


def queues_of(user: User | AnonymousUser, projects: Sequence[Project]) -> list[Queue]:
    """The queues of each task of each project: two queries."""
    known, given = _known(projects), _given(user, projects)
    return [_queue(user, project, task, known, given) for project in projects for task in Lease.Task.values]


def _queue(
    user: User | AnonymousUser,
    project: Project,
    task: str,
    known: Mapping[int, Sequence[Spoken]],
    given: Mapping[int, Sequence[int]],
) -> Queue:
    sets = [one.key for one in known.get(project.pk, [Spoken(NOBODY, 0)]) if suits(one, user, project, task)]
    return Queue(user, project, task, sets, given.get(project.pk, []) if task == Lease.Task.LABEL else [])


def _known(projects: Sequence[Project]) -> dict[int, list[Spoken]]:
    return spoken_in(projects) if projects else {}


def _given(user: User | AnonymousUser, projects: Sequence[Project]) -> dict[int, list[int]]:
    """By project the scans that are handed to this user once more."""
    found: dict[int, list[int]] = defaultdict(list)
    rows = again.handed_out(user).filter(project__in=[project.pk for project in projects])
    for project, image in rows.filter(image__erased_at__isnull=True, image__hold="").values_list("project", "image"):
        found[project].append(image)
    return found


def suits(said: Spoken, user: User | AnonymousUser, project: Project, task: str) -> bool:
    """Whether scans of which these people have spoken come to this user's desk."""
    own = user.pk in said.people
    if task == Lease.Task.ADJUDICATE:
        return 0 < project.reads_wanted <= said.reads and not (own and project.four_eyes)
    if task == Lease.Task.LABEL:
        # While several readers read a scan: who has not read it; when all have, nobody.
        return (said.key == NOBODY or said.reads > 0) and said.reads < project.reads_wanted and not own
    # Nobody reviews their own label, nor one given with a service token that they made: four-eyes would refuse it.
    return said.reads == 0 and not own


def claim_scans(*, actor: User, project: Project, task: str, n: int = 1, order: str = "oldest") -> list[Lease]:
    """Up to `n` scans for the actor alone, for ten minutes; none when nothing waits. Raises Invalid for bad arguments."""
    job = _parse_task(task)
    require(actor, RIGHTS[job], project)
    require_number(n)
    if order not in ORDERS:
        raise Invalid(f"order must be one of: {', '.join(ORDERS)}.", attr="order", code="invalid_choice")
    leases: list[Lease] = []
    seen: set[int] = set()
    queue = queue_of(user=actor, project=project, task=job)
    if job == Lease.Task.ADJUDICATE:
        # Those that agree, since the project wants fewer readers than before, come to nobody's desk.
        several.settle_agreed(queue.walk().first(SETTLED))
    while len(leases) < n:
        offered = _offer(actor, queue, order, without=seen, count=OFFERED * n)
        if not offered:
            break
        # A second look means that others take the same ones at this moment: each begins somewhere else.
        taken = _take(actor, project, job, offered, n - len(leases), crowded=bool(seen))
        seen.update(offered)
        leases += taken
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


def _offer(actor: User, queue: Queue, order: str, *, without: Collection[int], count: int) -> list[int]:
    offered = first_free(actor, queue, order, without, count * 2 if without else count)
    if queue.task != Lease.Task.LABEL or without:
        return offered
    # What only measures the reader comes among the others, and first: on the desk it must not stand out by its age.
    extra = again.lapsed(actor, queue.project)
    if not extra and offered:
        extra = again.hand_out(actor, queue.project)
    return [*extra, *offered]


def first_free(actor: User, queue: Queue, order: str, without: Collection[int], count: int) -> list[int]:
    """The first scans of the queue that have a seat free: first those that are scored, when asked for these."""
    walk = queue.walk(free=_free(actor, queue, without))
    scored = _scored(queue, walk)[:count] if order == "uncertain" else []
    if len(scored) == count:
        return scored
    rest = walk.filter(~Q(pk__in=scored)) if scored else walk
    return [*scored, *rest.first(count - len(scored))]


def _scored(queue: Queue, walk: Walk) -> list[int]:
    """Those of the project's few scored scans that may be handed out, best first."""
    best = QueueScore.objects.filter(project=queue.project).order_by("-score", "-image")[: QueueScore.MOST]
    scores = dict(best.values_list("image", "score"))
    rows = walk.base.filter(pk__in=list(scores), said_by__in=queue.sets).values_list("pk", "upload_date")
    return [pk for pk, came in sorted(rows, key=lambda row: (-scores[row[0]], row[1], row[0]))]


def _free(actor: User, queue: Queue, without: Collection[int]) -> Q:
    """What has a seat free for the actor, who does not hold it."""
    live = Lease.objects.filter(image=OuterRef("pk"), task=queue.task, expires_at__gt=timezone.now())
    other = ~Q(pk__in=[*without, *queue.given]) if without or queue.given else Q()
    if queue.task != Lease.Task.LABEL or queue.project.reads_wanted == 1:
        return other & ~Q(Exists(live.filter(Q(holder=actor) | Q(seat__gte=0))))
    held = live.filter(seat__gte=0).order_by().values("image").annotate(n=Count("pk")).values("n")
    read = Read.objects.filter(image=OuterRef("pk"), active=True).order_by().values("image").annotate(n=Count("pk"))
    taken = Coalesce(Subquery(held), 0) + Coalesce(Subquery(read.values("n")), 0)
    return other & ~Q(Exists(live.filter(holder=actor))) & Q(LessThan(taken, queue.project.reads_wanted))


def _take(
    actor: User, project: Project, task: Lease.Task, offered: Sequence[int], wanted: int, *, crowded: bool = False
) -> list[Lease]:
    taken: list[Lease] = []
    seats = _seats(actor, project, task, offered)
    leased = set(Lease.objects.filter(image__in=offered, task=task).values_list("image", flat=True))
    rest = _chance.sample(offered, len(offered)) if crowded else list(offered)
    while rest and len(taken) < wanted:
        pk = rest.pop(0)
        tried = (_lease(actor, project, task, pk, seat, over=pk in leased) for seat in seats[pk])
        if (lease := next(filter(None, tried), None)) is not None:
            taken.append(lease)
        else:
            # Whoever was quicker goes on to the next one as well.
            _chance.shuffle(rest)
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


def _lease(actor: User, project: Project, task: Lease.Task, pk: int, seat: int, *, over: bool) -> Lease | None:
    """One lease; None when somebody else was quicker. `over`: the scan has leases, which may have expired."""
    try:
        return _leased(actor, project, task, pk, seat, over=over)
    except IntegrityError:
        return None


@done_again
def _leased(actor: User, project: Project, task: Lease.Task, pk: int, seat: int, *, over: bool) -> Lease:
    """Take over an expired lease, or make a new one. The database decides the race."""
    now = timezone.now()
    held = {"holder": actor, "expires_at": now + LEASE}
    with transaction.atomic():
        scan = Lease.objects.filter(image=pk, task=task)
        if over:
            scan.filter(holder=actor, expires_at__lte=now).exclude(seat=seat).delete()
        if over and scan.filter(seat=seat, expires_at__lte=now).update(**held):
            lease = scan.get(seat=seat)
        else:
            lease = Lease.objects.create(image_id=pk, task=task, seat=seat, **held)
        audit.record("queue.claim", actor=actor, obj=Image(pk=pk), project=project.pk, details={"task": str(task)})
        return lease


def lease_again(*, actor: User, image: Image, task: str) -> None:
    """Hand the actor a scan that waits again because they took their decision back; nothing if somebody else was quicker."""
    job = _parse_task(task)
    require(actor, RIGHTS[job], image.project)
    if queue_of(user=actor, project=image.project, task=job).waiting.filter(pk=image.pk).exists():
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
