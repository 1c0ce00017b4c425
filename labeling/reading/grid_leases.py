"""A page of a grid: many scans to label at once, each held for one reader as those of a desk are."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from images.models import Image, Project
from labeling.models import Lease
from labeling.policies import require
from labeling.reading.queue import RIGHTS, Queue, first_free, queue_of
from labeling.reading.rows import LEASE
from mediscan_site.core import audit
from mediscan_site.core.again import done_again
from mediscan_site.core.database import insert_all
from mediscan_site.core.models import User


@done_again
def claim_batch(*, actor: User, project: Project, n: int, order: str = "oldest") -> list[int]:
    """Up to `n` scans to label for the actor alone, for ten minutes, in a few statements: a page of a grid. What the actor holds
    already counts and is held anew. Returns them, what was held first. None of them is given a second time."""
    require(actor, RIGHTS[Lease.Task.LABEL], project)
    queue = queue_of(user=actor, project=project, task=Lease.Task.LABEL)
    until, leases = timezone.now() + LEASE, Lease.objects.filter(task=Lease.Task.LABEL, seat=0)
    with transaction.atomic():
        held = _held(queue, leases.filter(holder=actor, expires_at__gt=timezone.now()))[:n]
        leases.filter(holder=actor, image__in=held).update(expires_at=until)
        offered = first_free(actor, queue, order, (), n - len(held)) if len(held) < n else []
        over = Lease.objects.filter(task=Lease.Task.LABEL, image__in=offered, expires_at__lte=timezone.now())
        over.filter(Q(seat=0) | Q(holder=actor)).delete()
        new = {"task": Lease.Task.LABEL, "seat": 0, "holder": actor, "expires_at": until}
        insert_all([Lease(image_id=pk, **new) for pk in offered], ignore_conflicts=True)
        got = set(Lease.objects.filter(image__in=offered, **new).values_list("image_id", flat=True))
        about = [(Image(pk=pk), {"task": str(Lease.Task.LABEL)}) for pk in offered if pk in got]
        if about:
            audit.record_many("queue.claim", actor=actor, project=project.pk, about=about)
    return [*held, *(pk for pk in offered if pk in got)]


def _held(queue: Queue, leases: QuerySet[Lease]) -> list[int]:
    """The scans of these leases that still wait, in the order of their keys."""
    keys = list(leases.values_list("image_id", flat=True))
    return list(queue.waiting.filter(pk__in=keys, project=queue.project).order_by("pk").values_list("pk", flat=True))


def release_batch(*, actor: User, project: Project, until: datetime) -> int:
    """Give back the scans of a grid that was left: those held no longer than that page said. Another page of the same reader
    holds its own longer."""
    require(actor, "view_project", project)
    mine = Lease.objects.filter(holder=actor, image__project=project, task=Lease.Task.LABEL)
    return mine.filter(expires_at__lte=until).delete()[0]
