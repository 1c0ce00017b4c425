"""Read queries about labels, reviews, doubts and the queue."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import OuterRef, Q, QuerySet
from django.utils import timezone

from images.models import Image, Project
from images.policies import allowing
from labeling import policies
from labeling.models import Label, LabelDoubt, Lease, Review
from labeling.reading.queue import Queue, queues_of
from mediscan_site.core.database import there_is, upto
from mediscan_site.core.http.pages import MOST_COUNTED
from mediscan_site.core.models import User

PROJECTS_AT_ONCE: Final = 50


def labels(user: User | AnonymousUser) -> QuerySet[Label]:
    return policies.visible_labels(user).select_related("image", "label_class", "reader")


def reviews(user: User | AnonymousUser) -> QuerySet[Review]:
    return policies.visible_reviews(user).select_related(
        "image", "reviewer", "label__label_class", "new_label__label_class", "decision__undone"
    )


def label_history(image: Image, user: User | AnonymousUser) -> QuerySet[Label]:
    """Every reading of a scan that this user sees, oldest first, with the reviews it got."""
    rows = policies.visible_labels(user).filter(image=image)
    rows = rows.select_related("label_class", "reader", "decision__undone", "read")
    return rows.prefetch_related("reviews__reviewer").order_by("id")


def label_doubts(project: Project, user: User | AnonymousUser) -> QuerySet[LabelDoubt]:
    """Labels that a model contradicts, while they are still the current ones and this user sees them."""
    over = Q(erased_at__isnull=False) | ~Q(hold="") | ~Q(label_class=OuterRef("given"))
    scan = Image.objects.filter(over | policies.covered(user), pk=OuterRef("image"))
    rows = LabelDoubt.objects.filter(~there_is(scan), project=project)
    return rows.select_related("image", "given", "suggested")


def held_leases(*, user: User, project: Project, task: str) -> QuerySet[Lease]:
    """The user's live leases, oldest first: a page that is loaded again shows the same scan."""
    live = Lease.objects.filter(holder=user, image__project=project, task=task, expires_at__gt=timezone.now())
    return live.select_related("image__project").order_by("expires_at", "id")


def reads_blind(user: User | AnonymousUser, image: Image) -> bool:
    """Whether the scan lies on the user's desk right now, to be read without a look at its file's name and what others said."""
    if not image.project.read_blind:
        return False
    held = Lease.objects.filter(image=image, holder=user.pk or 0, task=Lease.Task.LABEL, expires_at__gt=timezone.now())
    return held.filter(policies.open_to_reading("image__")).exists()


def queue_counts(*, user: User | AnonymousUser, projects: Collection[Project]) -> dict[int, dict[str, int]]:
    """How many scans wait for this user in each queue of each project, counted to one more than MOST_COUNTED: three queries for
    fifty projects. Where a project wants several readers, or readers of it disagree, also `to_adjudicate`."""
    rows = list(projects)
    found: dict[int, dict[str, int]] = {}
    for start in range(0, len(rows), PROJECTS_AT_ONCE):
        some = rows[start : start + PROJECTS_AT_ONCE]
        queues = queues_of(user, some)
        counts = {f"{one.task}_{one.project.pk}": upto(one.counted, MOST_COUNTED) for one in queues}
        numbers: Any = User.objects.filter(pk=user.pk or 0).values(**counts).first() or dict.fromkeys(counts, 0)
        found |= {project.pk: _named(project, _waiting(queues, numbers, project)) for project in some}
    return found


def _waiting(queues: Sequence[Queue], numbers: Mapping[str, int], project: Project) -> dict[str, int]:
    mine = [queue for queue in queues if queue.project == project]
    # Null: nobody is left who could have spoken of what waits, so that nothing was counted.
    counted = {queue.task: numbers[f"{queue.task}_{project.pk}"] or 0 for queue in mine}
    return {queue.task: min(counted[queue.task] + len(queue.given), MOST_COUNTED + 1) for queue in mine}


def _named(project: Project, counts: dict[str, int]) -> dict[str, int]:
    to_adjudicate = counts.pop(Lease.Task.ADJUDICATE)
    return {**counts, "to_adjudicate": to_adjudicate} if to_adjudicate or project.reads_wanted > 1 else counts


def to_adjudicate(user: User, projects: QuerySet[Project]) -> int:
    """How many scans, whose readers disagree, wait for this user in all of these projects, counted as above."""
    found = queue_counts(user=user, projects=list(allowing(user, "review_label", projects)))
    return sum(numbers.get("to_adjudicate", 0) for numbers in found.values())
