"""Readings of many scans at once: each by the rules of one, each with its result."""

from collections.abc import Mapping, Sequence

from images.models import Image, ProjectClass
from images.services.many import Done, each, require_many
from labeling.models import Lease
from labeling.policies import require_class
from labeling.reading.labels import LabelOutcome, label_scan, mark_ungradable
from labeling.reading.queue import RIGHTS
from labeling.reading.undo import undo_scan
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import User


def label_many(
    *,
    actor: User,
    images: Sequence[Image],
    label_class: ProjectClass | None = None,
    reason: str = "",
    comment: str = "",
    versions: Mapping[int, int] | None = None,
    expected_count: int | None = None,
) -> list[Done]:
    """Give at most 1,000 scans of one project a class, or one reason why they are ungradable. `versions`: by scan, the one the
    reader saw; a scan that has moved on is refused, and the others are labelled.

    Raises Conflict `count_mismatch` when there are not `expected_count` scans: then none is labelled."""
    scans = require_many(actor, images, "label_image", expected_count)
    if (label_class is None) == (not reason):
        raise Invalid("Send either label (a class) or ungradable (a reason).", attr="label")
    if label_class is not None:
        for project in {image.project for image in scans}:
            require_class(project, label_class)
    seen = versions or {}
    # How long each of many was looked at nobody knows: without a lease none is said to have been.
    Lease.objects.filter(task=Lease.Task.LABEL, holder=actor, image__in=scans).delete()

    def label(image: Image) -> LabelOutcome:
        said = {"actor": actor, "image": image, "comment": comment, "expected_version": seen.get(image.pk)}
        if label_class is None:
            return mark_ungradable(reason=reason, **said)  # type: ignore[arg-type]
        return label_scan(label_class=label_class, **said)  # type: ignore[arg-type]

    return each(scans, lambda image: label(image).image)


def undo_many(
    *,
    actor: User,
    images: Sequence[Image],
    versions: Mapping[int, int] | None = None,
    task: Lease.Task = Lease.Task.LABEL,
) -> list[Done]:
    """Take back the actor's own labels, or reviews, of many scans: what the pages of many offer as undo. Each scan is as it was
    before; one to which anything has happened since is refused."""
    scans, seen = require_many(actor, images, RIGHTS[task]), versions or {}

    def undo(image: Image) -> Image:
        return undo_scan(actor=actor, image=image, expected_version=seen.get(image.pk), task=task)

    return each(scans, undo)
