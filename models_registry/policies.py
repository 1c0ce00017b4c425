"""What exists in the registry for a user: whatever belongs to a project they see. What they may do is in `images.policies`."""

from typing import Any

from django.db.models import QuerySet

from images.policies import visible_projects
from labeling.models import Snapshot
from models_registry.models import Deployment, Evaluation, Feedback, Grade, ModelVersion


def visible_models(user: Any) -> QuerySet[ModelVersion]:
    return ModelVersion.objects.filter(project__in=visible_projects(user))


def visible_evaluations(user: Any) -> QuerySet[Evaluation]:
    return Evaluation.objects.filter(model__project__in=visible_projects(user))


def visible_deployments(user: Any) -> QuerySet[Deployment]:
    return Deployment.objects.filter(project__in=visible_projects(user))


def visible_grades(user: Any) -> QuerySet[Grade]:
    """Not those of erased scans: what a model said about a person goes with the picture."""
    return Grade.objects.filter(project__in=visible_projects(user), image__erased_at__isnull=True)


def visible_feedback(user: Any) -> QuerySet[Feedback]:
    return Feedback.objects.filter(grade__project__in=visible_projects(user), grade__image__erased_at__isnull=True)


def visible_snapshots(user: Any) -> QuerySet[Snapshot]:
    return Snapshot.objects.filter(project__in=visible_projects(user))
