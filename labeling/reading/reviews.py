"""Reviewing: a colleague's decision about the current label, one scan or many."""

from collections.abc import Callable, Sequence
from functools import partial

from images.models import Image, ProjectClass
from images.services.many import MOST_AT_ONCE, Done, each
from labeling.models import Import, ImportFile, Label, LabelDoubt, Lease, Review
from labeling.policies import require, require_class, visible_scans
from labeling.reading.change import Current, change, remember, step, write
from labeling.reading.labels import append, record_label
from labeling.reading.settling import settle_doubt
from labeling.reading.states import Action
from mediscan_site.core import audit, refusals, text
from mediscan_site.core.errors import Conflict, FourEyes, Invalid
from mediscan_site.core.models import User

MAX_IMAGES = MOST_AT_ONCE
# How many refused scans of a bulk review the audit event names.
NAMED = 20
ACTIONS = {
    Review.Status.APPROVED: Action.APPROVE,
    Review.Status.REJECTED: Action.REJECT,
    Review.Status.MODIFIED: Action.MODIFY,
}


def review_scan(
    *,
    actor: User,
    image: Image,
    status: str,
    label_class: ProjectClass | None = None,
    comment: str = "",
    expected_version: int | None = None,
    unlabelled_before: bool = False,
) -> Review:
    """Approve, reject, or (with a class) modify the current label. A class given with another status must be the current one.
    `unlabelled_before`: the caller's transaction has made the label for this review, which takes it along when it is undone.

    Raises FourEyes when the author approves, Conflict `nothing_to_review`, Stale, Invalid."""
    require(actor, "review_label", image.project)
    decision = _parse_status(status)
    if label_class is not None:
        require_class(image.project, label_class)
    elif decision == Review.Status.MODIFIED:
        raise Invalid("Name the class that the scan should have.", attr="label", code="required")
    remark = text.paragraphs(comment, attr="comment")
    return change(
        image,
        expected_version=expected_version,
        decide=lambda current: _decide(
            current, actor, decision, label_class, remark, unlabelled_before=unlabelled_before
        ),
    )


def _parse_status(status: str) -> Review.Status:
    value = text.choice(status, attr="status", choices=Review.Status.values)
    if value is None:
        raise Invalid(f"status must be one of: {', '.join(Review.Status.values)}.", attr="status", code="required")
    return Review.Status(value)


def _decide(
    current: Current,
    actor: User,
    decision: Review.Status,
    label_class: ProjectClass | None,
    comment: str,
    *,
    unlabelled_before: bool,
) -> Review:
    image, seen, before = current.image, current.image.version, current.state
    state = step(current, ACTIONS[decision], actor=actor)
    reviewed = current.label
    if reviewed is None:
        raise Conflict("This scan has no label, so there is nothing to review.", code="nothing_to_review")
    if (said := _said_already(current, actor, decision)) is not None:
        return said
    new_label: Label | None = None
    if decision == Review.Status.MODIFIED:
        new_label = append(current, actor, label_class=label_class, reader=actor, source=Label.Source.DOCTOR)
    elif label_class is not None and not current.repeats(label_class):
        raise Invalid("This is not the current label. Send status modified to change it.", attr="label")
    if decision == Review.Status.APPROVED:
        settle_doubt(image, actor)
    write(current, state, label=new_label or reviewed)
    review = Review.objects.create(
        image=image,
        label=reviewed,
        status=decision,
        new_label=new_label,
        reviewer=actor,
        comment=comment,
        scan_version=seen,
    )
    known = {"label_before": None} if unlabelled_before else {}
    remember(current, before, actor, task=Lease.Task.REVIEW, label=new_label, review=review, **known)
    if new_label is not None:
        record_label(image, actor, new_label)
    details = {"review": review.pk, "status": str(decision), "label": reviewed.pk}
    audit.record("review.create", actor=actor, obj=image, project=image.project_id, details=details)
    return review


def _said_already(current: Current, actor: User, decision: Review.Status) -> Review | None:
    """The last word about this scan, when it is this one, of the same reader, and nothing has happened since: a double click,
    or one request sent several times. A doubt that came up is a reason to be asked again."""
    image = current.image
    if decision == Review.Status.MODIFIED or LabelDoubt.objects.filter(image=image).exists():
        return None
    last = Review.objects.filter(image=image, scan_version=image.version - 1).select_related("image").first()
    if last is None or (last.reviewer_id, last.status) != (actor.pk, decision):
        return None
    return last


def review_many(
    *,
    actor: User,
    images: Sequence[Image] | None,
    batch: Import | None,
    status: str,
    label_class: ProjectClass | None = None,
    comment: str = "",
    expected_count: int | None = None,
    review: Callable[..., Review] = review_scan,
) -> list[Done]:
    """Review each scan of a list (at most 1,000), or each scan that an import created. One refusal does not stop the others.
    `review`: what reviews one scan, with the arguments of `review_scan`.

    Raises Conflict `count_mismatch` when there are not `expected_count` scans: then nothing is reviewed."""
    scans = _selected(actor=actor, images=images, batch=batch, expected_count=expected_count)
    _parse_status(status)
    decide = partial(review, actor=actor, status=status, label_class=label_class, comment=comment)
    results = each(scans, lambda image: decide(image=image).image)
    own = [result.image.code for result in results if result.code == FourEyes.default_code]
    if own:
        refusals.note(refusals.ACTION, actor=actor, about=(*own,), code=FourEyes.default_code, objects=own[:NAMED])
    return results


def _selected(
    *, actor: User, images: Sequence[Image] | None, batch: Import | None, expected_count: int | None
) -> list[Image]:
    """The scans that a bulk review is about, after its checks; the right to review is checked once per project."""
    if (images is None) == (batch is None):
        raise Invalid("Send either images or import.", attr="images")
    if batch is not None:
        require(actor, "review_label", batch.project)
        if expected_count is None:
            raise Invalid("Say how many scans you expect to review.", attr="expected_count", code="required")
        scans = created_by(batch)
    else:
        scans = list({image.pk: image for image in images or ()}.values())
        for project in {image.project for image in scans}:
            require(actor, "review_label", project)
        _check_visible(actor, scans)
    if expected_count is not None and expected_count != len(scans):
        raise Conflict(
            f"{len(scans)} scans are selected, not {expected_count}. Look again, then send the right number.",
            code="count_mismatch",
            attr="expected_count",
        )
    return scans


def _check_visible(actor: User, scans: Sequence[Image]) -> None:
    if not 0 < len(scans) <= MAX_IMAGES:
        raise Invalid(f"Send 1 to {MAX_IMAGES} scans.", attr="images")
    if visible_scans(actor).filter(pk__in=[scan.pk for scan in scans]).count() != len(scans):
        raise Invalid("One of these scans does not exist.", attr="images", code="does_not_exist")


def created_by(batch: Import) -> list[Image]:
    """The scans an import brought in (not those that were there before), without erased ones, oldest first."""
    created = ImportFile.objects.filter(batch=batch, outcome=ImportFile.Outcome.CREATED, image__isnull=False)
    scans = Image.objects.filter(pk__in=created.values("image"), erased_at__isnull=True)
    return list(scans.select_related("project").order_by("pk"))
