"""Who sees which referral: whoever sees its project and its scan. Reading one is labelling (`label_image`)."""

from typing import Any

from django.db.models import Q, QuerySet

from images.policies import in_visible_projects, of_kept_scan
from labeling.policies import covered_scan
from models_registry.models import Referral

# Whoever may label may read what a model gave back.
RIGHT = "label_image"


def visible_referrals(user: Any) -> QuerySet[Referral]:
    """Not what another read of a scan that this user is still to read by themselves."""
    rows = Referral.objects.filter(in_visible_projects(user), of_kept_scan())
    return rows.filter(Q(read__isnull=True) | Q(read__reader=user.pk) | ~covered_scan(user))
