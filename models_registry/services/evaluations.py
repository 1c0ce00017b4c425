"""Asking for one more reading of a test split."""

from django.db import transaction

from images.models import Split
from images.policies import require
from labeling.models import Snapshot, SnapshotMember
from mediscan_site.core import audit, work
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import User
from models_registry import lineage, tasks
from models_registry.models import Evaluation, ModelVersion


def request_evaluation(*, actor: User, model: ModelVersion, snapshot: Snapshot | None = None) -> Evaluation:
    """An evaluation of this version on the test split of its own snapshot, or of another one of the project; queued."""
    require(actor, "train_model", model.project)
    snapshot = snapshot or model.snapshot
    require_fair(model, snapshot)
    with transaction.atomic():
        evaluation = Evaluation.objects.create(
            model=model, snapshot=snapshot, origin=Evaluation.Origin.REQUEST, requested_by=actor
        )
        details = {"model": model.pk, "dataset": snapshot.pk}
        audit.record("evaluation.request", actor=actor, obj=evaluation, project=model.project_id, details=details)
        work.send(tasks.evaluate, evaluation.pk)
    return evaluation


def require_fair(model: ModelVersion, snapshot: Snapshot) -> None:
    """The test split must exist, speak the model's classes, and hold nothing that the model, or a version it was continued
    from, was fitted on."""
    if snapshot.project_id != model.project_id:
        raise Invalid("This data set belongs to another project.", code="does_not_exist", attr="dataset")
    test = SnapshotMember.objects.filter(snapshot=snapshot, split=Split.TEST)
    known = [entry["id"] for entry in model.classes]
    if not test.exists():
        raise Conflict(
            f"{snapshot.code} has no test scans. Approve more scans and freeze it anew.", code="not_enough_data"
        )
    if test.exclude(label_class__in=known).exists():
        raise Conflict(
            f"{snapshot.code} has classes that {model.code} does not know. Evaluate a version trained on them.",
            code="classes_differ",
        )
    if flattered := lineage.why_flattered(model, snapshot):
        raise Conflict(f"{flattered} Choose another data set.", code="test_leak")


def require_parted(snapshot: Snapshot) -> None:
    """No test scan may show what is trained on: patients may have turned out to be one since the data set was frozen."""
    if leaked := lineage.seen_test_scans(snapshot, snapshot):
        raise Conflict(
            f"{leaked} test scans of {snapshot.code} turned out to show patients or pictures that it trains on. "
            "Freeze a new data set, which leaves them out, and use that one.",
            code="test_leak",
        )
