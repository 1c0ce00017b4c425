"""Read queries for pages, API and the later apps."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from images.models import Image, Project
from images.services.duplicates import pairs_of
from labeling import policies, splits
from labeling.models import (
    Export,
    Import,
    ImportFile,
    Label,
    LabelDoubt,
    Lease,
    ResumableUpload,
    Review,
    Snapshot,
    SnapshotLeftOut,
    SnapshotMember,
    UploadPart,
)
from labeling.services.queue import waiting
from mediscan_site.core.models import User

# What an import's answer lists at most; the page of the import shows them all.
MAX_ERRORS = 1000


def _files(*outcomes: str) -> Coalesce:
    """How many files of an import ended so. A subquery each: a joined count would go over the same rows again and again."""
    files = ImportFile.objects.filter(batch=OuterRef("pk"), outcome__in=outcomes).order_by()
    return Coalesce(Subquery(files.values("batch").annotate(number=Count("pk")).values("number")), 0)


def imports(user: User | AnonymousUser) -> QuerySet[Import]:
    """The user's imports with `created`, `duplicates`, `rejected`, `warnings` and `done` counted."""
    outcome = ImportFile.Outcome
    return (
        policies.visible_imports(user)
        .select_related("project", "created_by")
        .annotate(
            created=_files(outcome.CREATED),
            duplicates=_files(outcome.DUPLICATE),
            rejected=_files(outcome.REJECTED),
            warnings=_files(outcome.WARNING),
            done=_files(outcome.CREATED, outcome.DUPLICATE, outcome.REJECTED),
        )
    )


def import_errors(batch: Import) -> QuerySet[ImportFile]:
    """What a person should look at: refused files and rows, and conflicts, in order of appearance."""
    wanted = (ImportFile.Outcome.REJECTED, ImportFile.Outcome.WARNING)
    return ImportFile.objects.filter(batch=batch, outcome__in=wanted).order_by("id")


def uploads(user: User | AnonymousUser) -> QuerySet[ResumableUpload]:
    return policies.visible_uploads(user).select_related("project", "created_by", "batch")


def upload_parts(upload: ResumableUpload) -> QuerySet[UploadPart]:
    return UploadPart.objects.filter(upload=upload).select_related("blob").order_by("offset")


def exports(user: User | AnonymousUser) -> QuerySet[Export]:
    return policies.visible_exports(user).select_related("project", "snapshot", "created_by", "blob")


def import_files(batch: Import) -> QuerySet[ImportFile]:
    """Every line of the report, in order of appearance."""
    return ImportFile.objects.filter(batch=batch).select_related("image").order_by("id")


def labels(user: User | AnonymousUser) -> QuerySet[Label]:
    return policies.visible_labels(user).select_related("image", "label_class", "reader")


def reviews(user: User | AnonymousUser) -> QuerySet[Review]:
    return policies.visible_reviews(user).select_related(
        "image", "reviewer", "label__label_class", "new_label__label_class"
    )


def label_history(image: Image) -> QuerySet[Label]:
    """Every reading of a scan, oldest first, with the reviews it got."""
    rows = Label.objects.filter(image=image).select_related("label_class", "reader")
    return rows.prefetch_related("reviews__reviewer").order_by("id")


def label_doubts(project: Project) -> QuerySet[LabelDoubt]:
    """Labels that a model contradicts, while they are still what the scan stands for."""
    open_ones = {"image__erased_at__isnull": True, "image__hold": "", "image__label_class": F("given")}
    rows = LabelDoubt.objects.filter(image__project=project, **open_ones)
    return rows.select_related("image", "given", "suggested")


def held_leases(*, user: User, project: Project, task: str) -> QuerySet[Lease]:
    """The user's own live leases, oldest first: a page that is loaded again shows the same scan."""
    live = Lease.objects.filter(holder=user, image__project=project, task=task, expires_at__gt=timezone.now())
    return live.select_related("image__project").order_by("expires_at", "id")


def queue_counts(*, user: User, project: Project) -> dict[str, int]:
    """How many scans wait for this user in each queue."""
    return {task: waiting(user=user, project=project, task=task).count() for task in Lease.Task.values}


def snapshots(user: User | AnonymousUser) -> QuerySet[Snapshot]:
    """The user's data sets with `erased`, the number of members that were erased since."""
    gone = SnapshotMember.objects.filter(snapshot=OuterRef("pk"), image__erased_at__isnull=False).order_by()
    number = gone.values("snapshot").annotate(number=Count("pk")).values("number")
    rows = policies.visible_snapshots(user).select_related("project", "created_by")
    return rows.annotate(erased=Coalesce(Subquery(number), 0))


def erased_members(snapshot: Snapshot) -> int:
    """How many members were erased after the data set was frozen."""
    return SnapshotMember.objects.filter(snapshot=snapshot, image__erased_at__isnull=False).count()


def snapshot_members(snapshot: Snapshot, split: str | None = None) -> QuerySet[SnapshotMember]:
    """The members (of one split) with scan, class and label, in order of scan."""
    rows = SnapshotMember.objects.filter(snapshot=snapshot)
    if split is not None:
        rows = rows.filter(split=split)
    return rows.select_related("image__metadata", "image__project", "label_class", "label").order_by("image_id")


def snapshot_left_out(snapshot: Snapshot) -> QuerySet[SnapshotLeftOut]:
    return SnapshotLeftOut.objects.filter(snapshot=snapshot).select_related("image").order_by("image_id")


@dataclass(frozen=True)
class Disagreement:
    """Two members that look the same and carry different labels."""

    first: SnapshotMember
    second: SnapshotMember


def disagreements(snapshot: Snapshot) -> list[Disagreement]:
    """Confirmed near-duplicates in the data set with different labels: worth a look, in order of scan."""
    members = {member.image_id: member for member in snapshot_members(snapshot)}
    pairs = ((members.get(first), members.get(second)) for first, second in sorted(pairs_of(snapshot.project_id)))
    return [
        Disagreement(one, other) for one, other in pairs if one and other and one.label_class_id != other.label_class_id
    ]


def split_counts(snapshot: Snapshot) -> dict[str, int]:
    """Members per split, from the counts that were frozen with it."""
    counts: Iterable[dict[str, int]] = snapshot.class_counts.values()
    rows = list(counts)
    return {side: sum(row.get(side, 0) for row in rows) for side in splits.SIDES}
