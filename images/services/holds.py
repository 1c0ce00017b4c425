"""Scans that may show who the patient is: nothing is done with them until a person has looked."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from images import policies
from images.models import Hold, Image
from images.services import arrivals
from mediscan_site.core import audit
from mediscan_site.core.errors import Conflict, NotFound
from mediscan_site.core.models import User

WHY = {
    Hold.BURNED_IN: "Its file says that text is burned into the picture.",
    Hold.TEXT: "The border of the picture looks like text.",
}


def require_free(image: Image) -> None:
    """Conflict `held` for a scan that waits for a person to look at it."""
    if image.hold:
        raise Conflict(
            f"{image.code} is held back: {WHY[Hold(image.hold)]} Check whether it shows who the patient is, then release it.",
            code="held",
        )


def release_scan(*, actor: User, image: Image) -> Image:
    """End a hold: the actor has looked and found nothing that identifies. Releasing twice is harmless."""
    policies.require(actor, "review_label", image.project)
    now = timezone.now()
    with transaction.atomic():
        rows = Image.objects.filter(pk=image.pk, erased_at__isnull=True).exclude(hold="")
        released = {"hold": "", "released_by": actor, "released_at": now, "updated_at": now}
        if rows.update(version=F("version") + 1, **released):
            details = {"hold": image.hold}
            audit.record("scan.release", actor=actor, obj=image, project=image.project_id, details=details)
            arrivals.tell_released(actor, image)
    current = Image.objects.select_related("project").filter(pk=image.pk, erased_at__isnull=True).first()
    if current is None:
        raise NotFound("This scan was erased.")
    return current
