"""Asking for one more reading of a test split."""

from django.db import transaction

from images.policies import require
from labeling.models import Snapshot
from mediscan_site.core import audit, shares, work
from mediscan_site.core.models import User
from models_registry.models import Evaluation, ModelVersion
from models_registry.versions.fairness import require_fair


def request_evaluation(*, actor: User, model: ModelVersion, snapshot: Snapshot | None = None) -> Evaluation:
    """Queue an evaluation of this version on the test split of its own snapshot, or of another one of the project."""
    require(actor, "train_model", model.project)
    snapshot = snapshot or model.snapshot
    require_fair(model, snapshot)
    with transaction.atomic():
        evaluation = Evaluation(model=model, snapshot=snapshot, origin=Evaluation.Origin.REQUEST, requested_by=actor)
        shares.take_turn(evaluation)
        evaluation.save(force_insert=True)
        details = {"model": model.pk, "dataset": snapshot.pk}
        audit.record("evaluation.request", actor=actor, obj=evaluation, project=model.project_id, details=details)
        work.wake(evaluation)
    return evaluation
