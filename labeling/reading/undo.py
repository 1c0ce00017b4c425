"""Taking one's own last decision back: the scan is as it was before, and the rows of what was said stay in its history."""

from images.models import ApprovalStatus, Image, LabelStatus, Project
from labeling.models import Decision, KeptLabel, Lease, Review
from labeling.policies import require
from labeling.reading import several
from labeling.reading.change import Current, change, remember, write
from labeling.reading.queue import RIGHTS
from labeling.reading.states import State
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import User

NOTHING = "You have decided nothing here that can be taken back."
OTHER = "You have decided something else since, elsewhere. Load the page again, and undo that first."


def undo_last(*, actor: User, project: Project, task: str, seen: int | None = None) -> Image:
    """The actor's last label, or last review, in the project is taken back; returns the scan as it now is. `seen`: the decision
    that was the last one on the actor's page; when it is taken back already, nothing more is.

    Raises Conflict `nothing_to_undo`, and `changed_since` when anything has happened to the scan since."""
    job = text.choice(task, attr="task", choices=Lease.Task.values)
    if job is None:
        raise Invalid(f"task must be one of: {', '.join(Lease.Task.values)}.", attr="task", code="required")
    require(actor, RIGHTS[Lease.Task(job)], project)
    mine = Decision.objects.filter(pk=seen or 0, actor=actor, image__project=project, undone__isnull=False)
    if (again := mine.select_related("image").first()) is not None:
        return again.image
    last = last_decision(actor, project, job)
    if last is None or (seen is not None and last.pk != seen):
        raise Conflict(NOTHING if last is None else OTHER, code="nothing_to_undo" if last is None else "changed_since")
    return change(last.image, expected_version=None, decide=lambda current: _restore(current, last, actor))


def last_decision(actor: User, project: Project, task: str) -> Decision | None:
    """The newest of the actor's decisions that still stands; None when there is none."""
    mine = Decision.objects.filter(actor=actor, task=task, image__project=project, image__erased_at__isnull=True)
    standing = mine.filter(undoes__isnull=True, undone__isnull=True)
    return standing.select_related("image__project", "label_before").order_by("-pk").first()


def _stands_at(image: Image) -> int:
    """The version of the scan that it is like: what was done and taken back again does not count."""
    taken_back = Decision.objects.filter(image=image, undoes__isnull=False)
    likes = dict(taken_back.values_list("scan_version", "undoes__scan_version"))
    version = image.version
    while version in likes:
        version = likes[version] - 1
    return version


def _read_again(current: Current, last: Decision, actor: User) -> Image:
    """One read of several, or one that only measured the actor, is taken back."""
    image, before = current.image, current.state
    several.take_back(current, actor, last)
    remember(current, before, actor, task=last.task, read=True, undoes=last)
    details = {"label": last.label_id}
    audit.record(f"{last.task}.undo", actor=actor, obj=image, project=image.project_id, details=details)
    return image


def _restore(current: Current, last: Decision, actor: User) -> Image:
    if last.scan_version is None:
        return _read_again(current, last, actor)
    image, old, before = current.image, last.label_before, current.state
    if _stands_at(image) != last.scan_version:
        raise Conflict(
            f"Something has happened to {image.code} since you decided, so it is not taken back. Open the scan to see what, "
            "and label or review it again.",
            code="changed_since",
        )
    label_status = LabelStatus.UNLABELED if old is None else LabelStatus.LABELED
    write(current, State(label_status, ApprovalStatus(last.approval_before)), label=old)
    if last.review and last.review.status == Review.Status.APPROVED:
        KeptLabel.objects.filter(image=image, reviewer=actor, given=image.label_class_id).delete()
    remember(current, before, actor, task=last.task, undoes=last)
    details = {"label": last.label_id, "review": last.review_id}
    audit.record(f"{last.task}.undo", actor=actor, obj=image, project=image.project_id, details=details)
    return image
