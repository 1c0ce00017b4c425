"""Who sees which referral: whoever sees its project and its scan. Reading one is labelling (`label_image`)."""

from typing import Any

from django.db.models import QuerySet

from images.policies import visible_projects
from models_registry.models import Referral

# Whoever may label may read what a model gave back.
RIGHT = "label_image"


def visible_referrals(user: Any) -> QuerySet[Referral]:
    return Referral.objects.filter(project__in=visible_projects(user), image__erased_at__isnull=True)
