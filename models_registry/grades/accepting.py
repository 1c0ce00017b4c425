"""labeling's reviews, and what only the registry can add: approving a graded scan without a label accepts the grade."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from images.models import Image, LabelStatus, ProjectClass
from images.policies import require
from images.services.many import Done
from labeling.models import Import, Label, Review
from labeling.reading import change, labels, reviews
from mediscan_site.core.errors import Stale
from mediscan_site.core.models import User, WorkStatus
from models_registry.models import Grade


def review_scan(
    *,
    actor: User,
    image: Image,
    status: str,
    label_class: ProjectClass | None = None,
    comment: str = "",
    expected_version: int | None = None,
) -> Review:
    """As labeling's; approving a scan without a label first takes its newest grade as the label, with its confidence. Undoing that
    approval takes this label away as well."""
    require(actor, "review_label", image.project)
    said = {"actor": actor, "status": status, "label_class": label_class, "comment": comment}
    for _ in range(change.TRIES):
        grade = _acceptable_grade(image) if status == Review.Status.APPROVED else None
        if grade is None:
            return reviews.review_scan(image=image, expected_version=expected_version, **said)  # type: ignore[arg-type]
        try:
            return _taken(grade, expected_version, said)
        except Stale:
            if expected_version is not None:
                raise
        # Somebody was quicker: what they labelled is what is approved.
    raise Stale(change.CHANGED)


def _taken(grade: Grade, expected_version: int | None, said: dict[str, Any]) -> Review:
    """The scan must still be the one without a label whose grade was looked up: whatever label it has now is not overwritten."""
    with transaction.atomic():
        adopted = labels.label_scan(
            actor=said["actor"],
            image=grade.image,
            label_class=grade.prediction,  # type: ignore[arg-type]  # never null among these (`_acceptable_grade`)
            source=Label.Source.GRADE,
            confidence=grade.confidence,
            expected_version=grade.image.version if expected_version is None else expected_version,
            reader=None,
        )
        return reviews.review_scan(image=adopted.image, unlabelled_before=True, **said)


def _acceptable_grade(image: Image) -> Grade | None:
    """The newest answer about a scan that has no label of its own, with the scan as it is now; None when that names no class."""
    answers = Grade.objects.filter(image=image, status=WorkStatus.SUCCEEDED, blind=False)
    newest = answers.select_related("prediction", "image__project").order_by("-pk").first()
    if newest is None or newest.prediction is None or newest.image.label_status == LabelStatus.LABELED:
        return None
    return newest


def review_many(
    *,
    actor: User,
    images: Sequence[Image] | None,
    batch: Import | None,
    status: str,
    label_class: ProjectClass | None = None,
    comment: str = "",
    expected_count: int | None = None,
) -> list[Done]:
    """As labeling's; each approval may accept a grade as above. One refusal does not stop the others."""
    return reviews.review_many(
        actor=actor,
        images=images,
        batch=batch,
        status=status,
        label_class=label_class,
        comment=comment,
        expected_count=expected_count,
        review=review_scan if status == Review.Status.APPROVED else reviews.review_scan,
    )
