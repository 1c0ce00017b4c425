"""Whether a test split may judge a version, and how often it was read: rules for services and workers alike."""

from images.models import Project, Split
from labeling.models import Snapshot, SnapshotMember
from mediscan_site.core.errors import Conflict, Invalid
from models_registry.models import Evaluation, ModelVersion
from models_registry.versions import lineage


def require_fair(model: ModelVersion, snapshot: Snapshot) -> None:
    """The test split must exist, use the model's classes, and hold nothing that the model, or a version it was continued
    from, was fitted on."""
    if snapshot.project_id != model.project_id:
        raise Invalid("This data set belongs to another project.", code="does_not_exist", attr="dataset")
    test = SnapshotMember.objects.filter(snapshot=snapshot, split=Split.TEST)
    known = [entry["id"] for entry in model.classes]
    if not test.exists():
        raise Conflict(
            f"{snapshot.code} has no test scans. Approve more scans and freeze it again.", code="not_enough_data"
        )
    if test.exclude(label_class__in=known).exists():
        raise Conflict(
            f"{snapshot.code} has classes that {model.code} does not know. Evaluate a version trained on them.",
            code="classes_differ",
        )
    if flattered := lineage.why_flattered(model, snapshot):
        raise Conflict(f"{flattered} Choose another data set.", code="test_leak")


def require_separated(snapshot: Snapshot) -> None:
    """No test scan may show what is trained on: two patients may have been merged since the data set was frozen."""
    if leaked := lineage.seen_test_scans(snapshot, snapshot):
        raise Conflict(
            f"{leaked} test scans of {snapshot.code} turned out to show patients or pictures that are also trained on. "
            "Freeze a new data set, which leaves them out, and use that one.",
            code="test_leak",
        )


def next_test_read(snapshot: Snapshot) -> int:
    """The number of the reading of this test set that is being recorded. Call it in the transaction that records it.

    Snapshots with equal test members and labels have the same test set: a reading through any of them counts."""
    # Where rows can be locked, two readings that end together are counted one after the other.
    Project.objects.select_for_update().get(pk=snapshot.project_id)
    return test_reads(snapshot) + 1


def test_reads(snapshot: Snapshot) -> int:
    """How often the test set of this snapshot has been read so far."""
    same = {"snapshot__project": snapshot.project_id, "snapshot__test_hash": snapshot.test_hash}
    return Evaluation.objects.filter(**same, test_reads__isnull=False).count()
