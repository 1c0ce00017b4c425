"""Doubts about labels: what a reader does who finds the label right. One who finds it wrong labels or reviews the scan as usual."""

from images.models import Image
from labeling.models import LabelDoubt, Review
from labeling.policies import require
from labeling.reading.reviews import review_scan
from mediscan_site.core.errors import Conflict
from mediscan_site.core.models import User


def keep_label(*, actor: User, image: Image, comment: str = "", expected_version: int | None = None) -> Review:
    """Approve the doubted label once more; the same doubt about this scan is not raised again.

    Raises FourEyes for the author of the label, Conflict `no_doubt`, Stale."""
    require(actor, "review_label", image.project)
    if not LabelDoubt.objects.filter(image=image, given=image.label_class_id).exists():
        raise Conflict(f"There is no doubt about the label of {image.code} any longer.", code="no_doubt")
    return review_scan(
        actor=actor, image=image, status=Review.Status.APPROVED, comment=comment, expected_version=expected_version
    )
