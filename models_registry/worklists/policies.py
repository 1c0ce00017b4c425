"""Who sees which referral: whoever sees its project and its scan. Reading one is labelling (`label_image`)."""

from typing import Any

from django.db.models import OuterRef, QuerySet

from images.policies import in_visible_projects, of_kept_scan
from labeling.policies import covered_scan
from mediscan_site.core.database import there_is
from models_registry.models import Referral, ReferralRead

# Whoever may label may read what a model gave back.
RIGHT = "label_image"


def visible_referrals(user: Any) -> QuerySet[Referral]:
    """Not what another read of a scan that this user is still to read by themselves."""
    rows = Referral.objects.filter(in_visible_projects(user), of_kept_scan())
    # Asked row by row: for a join MySQL reads and sorts all referrals before a page.
    theirs = ReferralRead.objects.filter(referral=OuterRef("pk")).exclude(reader=user.pk)
    return rows.filter(~there_is(theirs) | ~covered_scan(user))
