"""Blind reads as a task: taken one at a time under a lease, read without the answer, kept for good."""

from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from images.models import Project, ProjectClass
from images.policies import require
from labeling.policies import require_class
from labeling.reading.labels import MAX_REASON
from labeling.reading.rows import LEASE
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, Forbidden, Invalid
from mediscan_site.core.models import User
from models_registry.models import BlindRead, Feedback, Grade

OFFERED: Final = 8


def waiting(user: User, project: Project) -> QuerySet[BlindRead]:
    """What waits for this reader, oldest first: nothing of a scan whose grade they asked for or gave their opinion of."""
    asked = Grade.objects.filter(image=OuterRef("grade__image"), requested_by=user)
    judged = Feedback.objects.filter(grade__image=OuterRef("grade__image"), author=user)
    return BlindRead.objects.filter(
        ~Exists(asked),
        ~Exists(judged),
        project=project,
        read_at__isnull=True,
        grade__image__erased_at__isnull=True,
        grade__image__hold="",
    ).order_by("pk")


def held(user: User, project: Project) -> BlindRead | None:
    """The read that this reader has on the desk."""
    mine = waiting(user, project).filter(holder=user, held_until__gt=timezone.now())
    return mine.select_related("grade__image", "project").first()


def claim(*, actor: User, project: Project) -> BlindRead | None:
    """The oldest read that waits for the actor, for ten minutes theirs alone; the one they hold already; None for none."""
    require(actor, "label_image", project)
    mine = held(actor, project)
    if mine is not None:
        return mine
    now = timezone.now()
    free = Q(holder__isnull=True) | Q(held_until__lte=now)
    for pk in list(waiting(actor, project).filter(free).values_list("pk", flat=True)[:OFFERED]):
        with transaction.atomic():
            rows = BlindRead.objects.filter(free, pk=pk, read_at__isnull=True)
            if rows.update(holder=actor, held_until=now + LEASE):
                audit.record("blind_read.claim", actor=actor, obj=BlindRead(pk=pk), project=project.pk)
                return held(actor, project)
    return None


def release(*, actor: User, project: Project) -> int:
    """Give back what the actor holds; returns how many reads that were."""
    require(actor, "label_image", project)
    rows = BlindRead.objects.filter(project=project, holder=actor, read_at__isnull=True)
    return rows.update(holder=None, held_until=None)


def read(
    *, actor: User, blind_read: BlindRead, label_class: ProjectClass | None = None, ungradable: str = ""
) -> BlindRead:
    """Keep what the actor, who holds it, sees on the scan: a class of the project, or why nobody can tell. Kept for good."""
    require(actor, "label_image", blind_read.project)
    why = text.line(ungradable, attr="ungradable", max_length=MAX_REASON)
    if (label_class is None) == (not why):
        raise Invalid("Give either the class that you see or why the scan is ungradable.", attr="label")
    if label_class is not None:
        require_class(blind_read.project, label_class)
    if blind_read.read_at is not None:
        raise Conflict("This scan was read. A read is never changed.", code="already_read")
    if not waiting(actor, blind_read.project).filter(pk=blind_read.pk).exists():
        raise Forbidden("You asked for this grade or gave feedback on it, so your read would not be blind.")
    done = {"reader": actor, "read_at": timezone.now(), "read_class": label_class, "ungradable_reason": why}
    with transaction.atomic():
        rows = BlindRead.objects.filter(pk=blind_read.pk, holder=actor, read_at__isnull=True)
        if not rows.filter(held_until__gt=timezone.now()).update(**done, held_until=None):
            raise Conflict("You do not hold this read any longer. Take the next one.", code="not_held")
        details = {"class": label_class.pk if label_class else None}
        audit.record("blind_read.read", actor=actor, obj=blind_read, project=blind_read.project_id, details=details)
    return BlindRead.objects.select_related("grade__image", "grade__prediction", "read_class").get(pk=blind_read.pk)
