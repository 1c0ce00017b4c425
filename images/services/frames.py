"""Choosing the frames of a scan that count."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from images import frames as looking
from images import policies
from images.models import FrameChoice, FrameSource, Image, RenditionKind
from images.renditions import ensure
from images.services.holds import require_free
from mediscan_site.core import audit
from mediscan_site.core.errors import NotFound, Stale
from mediscan_site.core.models import User


def choose_frames(
    *, actor: User, image: Image, frames: Sequence[int], expected_version: int | None = None
) -> looking.Looked:
    """These frames of the scan count from now on, when it is graded and in data sets frozen from now on; none: as the project's
    rule says. Choosing the same again changes nothing.

    Invalid (attr `frames`) says what is wrong; Conflict `held`; Stale when the scan is no longer at `expected_version`."""
    policies.require(actor, "label_image", image.project)
    require_free(image)
    chosen = looking.parse(image, frames)
    before = looking.looked_at(image, image.project)
    said = list(before.frames) if before.source == FrameSource.PERSON else []
    if said == chosen:
        return before
    if chosen:
        # A frame that cannot be shown is refused before anybody relies on it.
        ensure(image, RenditionKind.THUMBNAIL, chosen[-1])
    with transaction.atomic():
        _move_on(image, expected_version)
        FrameChoice.objects.create(image=image, frames=chosen, source=FrameSource.PERSON, chosen_by=actor)
        details = {"frames": chosen, "of": image.frames_shown}
        audit.record("scan.choose_frames", actor=actor, obj=image, project=image.project_id, details=details)
    return looking.looked_at(image, image.project)


def _move_on(image: Image, expected_version: int | None) -> None:
    """Whoever works with the scan as it was is told so: a data set that is being frozen, a form."""
    rows = Image.objects.filter(pk=image.pk, erased_at__isnull=True)
    at = rows if expected_version is None else rows.filter(version=expected_version)
    if at.update(version=F("version") + 1, updated_at=timezone.now()):
        return
    if not rows.exists():
        raise NotFound("This scan was erased.")
    raise Stale("The scan was changed meanwhile. Load it again and repeat your change.")
