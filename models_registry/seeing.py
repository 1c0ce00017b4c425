"""Whether scans that come in get their view for learning: the version that serves, or the newest one, sees views."""

from datetime import datetime

from images.models import Project
from images.services import on_intake_views
from mediscan_site.core.remembering import Memory
from models_registry.inference.looks import Look
from models_registry.models import DeployedModel, ModelVersion

_known = Memory()


@on_intake_views
def sees_views(project: Project) -> bool:
    """By the cards of the two. A card is long, and is read once; what serves is asked each time."""
    newest = ModelVersion.objects.filter(project=project).order_by("-number").values_list("pk", "training_date")[:1]
    model = "deployment__model"
    serving = DeployedModel.objects.filter(project=project).values_list(model, f"{model}__training_date")
    return any(_needs_views(*version) for version in (*newest, *serving))


def _needs_views(pk: int, made_at: datetime) -> bool:
    return bool(_known.of((pk, made_at), lambda: _by_card(pk)))


def _by_card(pk: int) -> bool:
    known = ModelVersion.objects.filter(pk=pk).values_list("card__preprocess", flat=True).first()
    return False if known is None else Look.from_dict(known).needs_views
