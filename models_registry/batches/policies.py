"""Who sees which grade batch: whoever sees its project. Cancelling is for whoever asked for it, and administrators."""

from typing import Any

from django.db.models import QuerySet

from images.policies import in_visible_projects
from mediscan_site.core.errors import Forbidden
from mediscan_site.core.models import User
from models_registry.models import GradeBatch


def visible_batches(user: Any) -> QuerySet[GradeBatch]:
    return GradeBatch.objects.filter(in_visible_projects(user))


def may_cancel(user: User, batch: GradeBatch) -> bool:
    return user.is_admin or batch.requested_by_id == user.pk


def require_own(user: User, batch: GradeBatch) -> None:
    if not may_cancel(user, batch):
        raise Forbidden("Only whoever started this batch, or an administrator, may cancel it.")
