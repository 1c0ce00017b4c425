"""Asking for a look at a version."""

from django.db import transaction

from images.policies import require
from mediscan_site.core import audit, shares, work
from mediscan_site.core.models import ACTIVE, User
from models_registry.models import ModelVersion, Watch


def request_watch(*, actor: User, model: ModelVersion) -> Watch:
    """Compare the version's grades with its reference now. One that is under way is given as it is."""
    require(actor, "view_project", model.project)
    waiting = Watch.objects.filter(model=model, status__in=ACTIVE).order_by("pk").first()
    if waiting is not None:
        return waiting
    with transaction.atomic():
        row = Watch(project=model.project, model=model, created_by=actor)
        shares.take_turn(row)
        row.save(force_insert=True)
        audit.record("watch.request", actor=actor, obj=row, project=model.project_id, details={"model": model.pk})
        work.wake(row)
    return row


def watch_all(models: list[ModelVersion]) -> list[Watch]:
    """The nightly look at these versions."""
    made = []
    for model in models:
        if Watch.objects.filter(model=model, status__in=ACTIVE).exists():
            continue
        with transaction.atomic():
            row = Watch.objects.create(project=model.project, model=model)
            work.wake(row)
        made.append(row)
    return made
