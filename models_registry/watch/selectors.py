"""Read queries of watching, alarms and blind reads."""

from typing import Any

from django.db.models import Prefetch, QuerySet

from mediscan_site.core.models import WorkStatus
from models_registry import policies
from models_registry.models import Alarm, AlarmDecision, AlarmTold, BlindRead, ModelVersion, Watch


def watches(user: Any) -> QuerySet[Watch]:
    return policies.visible_watches(user).select_related("project", "model", "created_by")


def latest_watch(model: ModelVersion) -> Watch | None:
    """The newest look that has ended well."""
    rows = Watch.objects.filter(model=model, status=WorkStatus.SUCCEEDED)
    return rows.select_related("project", "model").order_by("-pk").first()


def alarms(user: Any) -> QuerySet[Alarm]:
    """With who was told and what was decided, newest first."""
    told = AlarmTold.objects.select_related("user").order_by("pk")
    decided = AlarmDecision.objects.select_related("decided_by").order_by("-pk")
    return (
        policies.visible_alarms(user)
        .select_related("project", "model")
        .prefetch_related(Prefetch("told", queryset=told), Prefetch("decisions", queryset=decided))
    )


def blind_reads(user: Any) -> QuerySet[BlindRead]:
    return policies.visible_blind_reads(user).select_related(
        "project", "grade__image", "read_class", "reader", "holder"
    )
