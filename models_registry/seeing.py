"""Whether scans that come in get their view for learning: the version that serves, or the newest one, sees views."""

from django.db.models import Q, Subquery

from images.models import Project
from images.services import on_intake_views
from models_registry.inference.looks import Look
from models_registry.models import DeployedModel, ModelVersion


@on_intake_views
def sees_views(project: Project) -> bool:
    """By the cards of the two, with one query."""
    versions = ModelVersion.objects.filter(project=project)
    newest = versions.order_by("-number").values("pk")[:1]
    serving = DeployedModel.objects.filter(project=project).values("deployment__model")
    asked = versions.filter(Q(pk=Subquery(newest)) | Q(pk__in=serving))
    return any(Look.from_dict(known).needs_views for known in asked.values_list("card__preprocess", flat=True) if known)
