"""Gold scans: who marks them, and of which scans that makes sense."""

from django.db import IntegrityError, transaction

from images.models import ApprovalStatus, Image
from labeling.models import GoldScan, Label
from labeling.policies import require
from mediscan_site.core import audit
from mediscan_site.core.errors import Conflict
from mediscan_site.core.models import User


def mark_gold(*, actor: User, image: Image, gold: bool = True) -> None:
    """Have readers measured by this scan, or no longer. Again is no change.

    Raises Conflict `not_approved` for a scan without an approved label, and for one whose label a model gave."""
    require(actor, "manage_project", image.project)
    details = {"gold": gold}
    with transaction.atomic():
        if gold:
            _require_known(image)
            changed = _marked(actor, image)
        else:
            changed = bool(GoldScan.objects.filter(image=image).delete()[0])
        if changed:
            audit.record("scan.gold", actor=actor, obj=image, project=image.project_id, details=details)


def _require_known(image: Image) -> None:
    known = Image.objects.filter(pk=image.pk, erased_at__isnull=True, approval_status=ApprovalStatus.APPROVED)
    if not known.exclude(reference__label__source=Label.Source.GRADE).exists():
        raise Conflict(
            "Readers are measured by scans whose label somebody approved, and that no model gave.", code="not_approved"
        )


def _marked(actor: User, image: Image) -> bool:
    try:
        with transaction.atomic():
            return GoldScan.objects.get_or_create(image=image, defaults={"marked_by": actor})[1]
    except IntegrityError:
        return False
