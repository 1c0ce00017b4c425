"""labeling's reviews, and what only the registry can add: approving a graded scan without a label accepts the grade."""

from collections.abc import Sequence

from django.db import transaction

from images.models import Image, LabelStatus, ProjectClass
from images.policies import require
from images.services.many import Done
from labeling.models import Import, Label, Review
from labeling.reading import labels, reviews
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
    """As labeling's; approving a scan without a label first takes its newest grade as the label, with its confidence."""
    require(actor, "review_label", image.project)
    grade = _acceptable_grade(image) if status == Review.Status.APPROVED else None
    if grade is None or grade.prediction is None:
        return reviews.review_scan(
            actor=actor,
            image=image,
            status=status,
            label_class=label_class,
            comment=comment,
            expected_version=expected_version,
        )
    with transaction.atomic():
        adopted = labels.label_scan(
            actor=actor,
            image=image,
            label_class=grade.prediction,
            source=Label.Source.GRADE,
            confidence=grade.confidence,
            expected_version=expected_version,
            reader=None,
        )
        return reviews.review_scan(
            actor=actor, image=adopted.image, status=status, label_class=label_class, comment=comment
        )


def _acceptable_grade(image: Image) -> Grade | None:
    """The newest answer about a scan that has no label of its own."""
    if Image.objects.filter(pk=image.pk, label_status=LabelStatus.LABELED).exists():
        return None
    answers = Grade.objects.filter(image=image, status=WorkStatus.SUCCEEDED, blind=False).select_related("prediction")
    return answers.order_by("-pk").first()


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
