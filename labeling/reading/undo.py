"""Taking one's own last decision back: the scan is as it was before, and the rows of what was said stay in its history."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from images.models import ApprovalStatus, Image, LabelStatus, Project
from images.policies import of_kept_scan
from labeling.models import Decision, KeptLabel, Label, Lease, Read, Review
from labeling.policies import HIDDEN, require
from labeling.reading import again, several
from labeling.reading.change import Current, change, remember, tell_undone, write
from labeling.reading.queue import RIGHTS
from labeling.reading.rows import mark_taken_back
from labeling.reading.settling import put_back
from labeling.reading.states import State
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.merging import first_key, newest
from mediscan_site.core.models import User

NOTHING = "You have decided nothing here that can be taken back."
# What an adjudicator settles stays settled.
UNDOABLE = (Lease.Task.LABEL.value, Lease.Task.REVIEW.value)
OTHER = "You have decided something else since, elsewhere. Load the page again, and undo that first."


@dataclass(frozen=True)
class Last:
    """What somebody did last. `key`: of the label or of the review. `decision` and `read` are None when nobody kept what was
    before: then it is not taken back."""

    key: int
    image: Image
    decision: Decision | None
    read: Read | None

    @property
    def can_be_undone(self) -> bool:
        return self.decision is not None or self.read is not None


def undo_last(*, actor: User, project: Project, task: str, seen: int | None = None) -> Image:
    """The actor's last label, or last review, in the project is taken back; returns the scan as it now is. `seen`: the key of what
    was last on the actor's page; when that is taken back already, nothing more is.

    Raises Conflict `nothing_to_undo`, and `changed_since` when anything has happened to the scan since."""
    job = text.choice(task, attr="task", choices=UNDOABLE)
    if job is None:
        raise Invalid(f"task must be one of: {', '.join(UNDOABLE)}.", attr="task", code="required")
    require(actor, RIGHTS[Lease.Task(job)], project)
    last = last_done(actor, project, job)
    if seen is not None and (last is None or last.key != seen):
        if (done := _undone(actor, project, job, seen)) is not None:
            return done
        raise Conflict(OTHER, code="changed_since")
    if last is None:
        raise Conflict(NOTHING, code="nothing_to_undo")
    return change(last.image, expected_version=None, decide=lambda current: _undo(current, last, actor))


def undo_scan(
    *, actor: User, image: Image, expected_version: int | None = None, task: Lease.Task = Lease.Task.LABEL
) -> Image:
    """The actor's last label, or review, of this scan is taken back. Conflict `nothing_to_undo` when there is none, or
    `changed_since`."""
    require(actor, RIGHTS[task], image.project)
    last = last_done(actor, image.project, task, image)
    if last is None or not last.can_be_undone:
        raise Conflict(NOTHING, code="nothing_to_undo")
    return change(image, expected_version=expected_version, decide=lambda current: _undo(current, last, actor))


def last_done(actor: User, project: Project, task: str, image: Image | None = None) -> Last | None:
    """The newest of what the actor said, of all scans or of this one, and has not taken back; None when there is nothing."""
    if task == Lease.Task.REVIEW:
        return _last_review(actor, project, image)
    return _last_label(actor, project, image)


def _last_label(actor: User, project: Project, image: Image | None) -> Last | None:
    related = ("image__project", "decision__label_before", "decision__review", "read")
    walk = newest(Label.objects.all(), reader=actor.pk, project=project.pk, source=Label.Source.DOCTOR.value)
    last = first_key(walk if image is None else walk.filter(image=image), _labels(actor, project))
    label = Label.objects.select_related(*related).get(pk=last) if last is not None else None
    if label is None:
        return None
    read: Read | None = getattr(label, "read", None)
    settled = read is not None and read.against_id == label.pk
    if read is not None and not (read.active or settled or read.kind in HIDDEN):
        read = None
    return Last(label.pk, label.image, getattr(label, "decision", None), read)


def _labels(actor: User, project: Project) -> QuerySet[Label]:
    """What the actor said as a reader and has not taken back: neither a label, nor one of several reads."""
    said = {"reader": actor, "source": Label.Source.DOCTOR, "project": project}
    mine = Label.objects.filter(of_kept_scan(), **said)
    mine = mine.filter(Q(decision__isnull=True) | Q(decision__task=Lease.Task.LABEL))
    return mine.exclude(read__isnull=False, read__kind=Read.Kind.REPLACED).exclude(taken_back=True)


def _last_review(actor: User, project: Project, image: Image | None) -> Last | None:
    walk = newest(Review.objects.all(), reviewer=actor.pk, project=project.pk)
    related = ("image__project", "decision__label_before", "decision__review")
    standing = Review.objects.filter(of_kept_scan(), decision__undone__isnull=True)
    last = first_key(walk if image is None else walk.filter(image=image), standing)
    review = Review.objects.select_related(*related).get(pk=last) if last is not None else None
    return Last(review.pk, review.image, getattr(review, "decision", None), None) if review else None


def _undone(actor: User, project: Project, task: str, key: int) -> Image | None:
    """The scan of what was taken back already: the same request came twice."""
    if task == Lease.Task.REVIEW:
        found = Review.objects.filter(pk=key, reviewer=actor, project=project, decision__undone__isnull=False)
        return Image.objects.filter(reviews__in=found, erased_at__isnull=True).first()
    mine = Label.objects.filter(of_kept_scan(), pk=key, reader=actor, project=project)
    label = mine.exclude(pk__in=_labels(actor, project)).select_related("image").first()
    return label.image if label else None


def _undo(current: Current, last: Last, actor: User) -> Image:
    if last.decision is not None:
        return _restore(current, last.decision, actor)
    if last.read is None or last.read.label is None:
        raise _changed(current.image)
    if last.read.kind in HIDDEN:
        again.give_again(last.read)
    else:
        several.take_back(current, actor, last.read.label)
        tell_undone(current.image, last.read.label.annotation_date)
    details = {"label": last.key, "review": None}
    audit.record("label.undo", actor=actor, obj=current.image, project=current.image.project_id, details=details)
    return current.image


def _changed(image: Image) -> Conflict:
    return Conflict(
        f"Something has happened to {image.code} since you decided, so it is not taken back. Open the scan to see what, and "
        "label or review it again.",
        code="changed_since",
    )


def _stands_at(image: Image) -> int:
    """The version of the scan that it is like: what was done and taken back again does not count. (A review that took a grade was
    two versions; before it the scan had no label, so none of those is any decision's.)"""
    taken_back = Decision.objects.filter(image=image, undoes__isnull=False)
    likes = dict(taken_back.values_list("scan_version", "undoes__scan_version"))
    version = image.version
    while version in likes:
        version = likes[version] - 1
    return version


def _restore(current: Current, last: Decision, actor: User) -> Image:
    image, old, before = current.image, last.label_before, current.state
    if _stands_at(image) != last.scan_version:
        raise _changed(image)
    label_status = LabelStatus.UNLABELED if old is None else LabelStatus.LABELED
    write(current, State(label_status, ApprovalStatus(last.approval_before)), label=old)
    if last.review and last.review.status == Review.Status.APPROVED:
        KeptLabel.objects.filter(image=image, reviewer=actor, given=image.label_class_id).delete()
    put_back(image, last.doubt_before)
    mark_taken_back(last.made)
    remember(current, before, actor, task=last.task, undoes=last)
    tell_undone(image, last.created_at)
    details = {"label": last.made, "review": last.review_id}
    audit.record(f"{last.task}.undo", actor=actor, obj=image, project=image.project_id, details=details)
    return image
