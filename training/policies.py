"""Which training runs exist for a user: those of the projects they see. What they may do is `images.policies`."""

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from images.policies import in_visible_projects, require, visible_projects
from mediscan_site.core.models import User
from training.models import TrainingRun

__all__ = ["require", "visible_projects", "visible_runs"]


def visible_runs(user: User | AnonymousUser) -> QuerySet[TrainingRun]:
    return TrainingRun.objects.filter(in_visible_projects(user))
