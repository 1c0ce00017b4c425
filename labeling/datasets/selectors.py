"""Read queries about data sets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from images.models import Image, ProjectClass
from images.services.duplicates import pairs_of
from labeling import policies
from labeling.datasets import splits
from labeling.datasets.persons import BATCH, studies_of_several
from labeling.models import Snapshot, SnapshotLeftOut, SnapshotMember
from mediscan_site.core.database import there_is
from mediscan_site.core.models import User


def snapshots(user: User | AnonymousUser) -> QuerySet[Snapshot]:
    """The user's data sets with `erased`, the number of members that have since been erased."""
    gone = _erased().filter(snapshot=OuterRef("pk")).order_by()
    number = gone.values("snapshot").annotate(number=Count("pk")).values("number")
    rows = policies.visible_snapshots(user).select_related("project", "created_by")
    return rows.annotate(erased=Coalesce(Subquery(number), 0))


def erased_members(snapshot: Snapshot) -> int:
    """How many members were erased after the data set was frozen."""
    return _erased().filter(snapshot=snapshot).count()


def _erased() -> QuerySet[SnapshotMember]:
    """By what an erasure leaves of a member (`labeling.erasure`): asked of the scans, each of a hundred thousand is looked at."""
    return SnapshotMember.objects.filter(sha256="")


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
    pairs = sorted(pairs_of(snapshot.project_id))
    members = _members_of(snapshot, sorted({scan for pair in pairs for scan in pair}))
    both = ((members.get(first), members.get(second)) for first, second in pairs)
    return [
        Disagreement(one, other) for one, other in both if one and other and one.label_class_id != other.label_class_id
    ]


def _members_of(snapshot: Snapshot, scans: Sequence[int]) -> dict[int, SnapshotMember]:
    """Scan to member, of these scans alone: a data set may have a hundred thousand others."""
    found: dict[int, SnapshotMember] = {}
    rows = SnapshotMember.objects.filter(snapshot=snapshot).select_related("image", "label_class")
    for start in range(0, len(scans), BATCH):
        found.update((row.image_id, row) for row in rows.filter(image__in=scans[start : start + BATCH]))
    return found


@dataclass(frozen=True)
class DoubtfulStudy:
    """A study whose scans are kept under several patients: one of them is wrong, or all are one person."""

    study: str
    patients: list[str]


def doubtful_studies(snapshot: Snapshot) -> list[DoubtfulStudy]:
    """The studies of the project that name several patients, of whom some are in the data set; as it is now, by study."""
    studies = studies_of_several(snapshot.project)
    named = sorted({patient for patients in studies.values() for patient in patients})
    here: set[str | None] = set()
    for start in range(0, len(named), BATCH):
        here.update(members_of(snapshot, named[start : start + BATCH]).values_list("patient", flat=True).distinct())
    return [DoubtfulStudy(study, patients) for study, patients in sorted(studies.items()) if here & set(patients)]


def members_of(snapshot: Snapshot, patients: Sequence[str]) -> QuerySet[Image]:
    """The scans of these patients that are members: a data set may have a hundred thousand others."""
    scans = Image.objects.filter(project=snapshot.project_id, patient__in=patients)
    return scans.filter(there_is(SnapshotMember.objects.filter(snapshot=snapshot, image=OuterRef("pk"))))


@dataclass(frozen=True)
class ClassCounts:
    """How many members of a class were frozen, on each side and in all."""

    name: str
    splits: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.splits.values())


def class_counts(snapshot: Snapshot) -> list[ClassCounts]:
    """Members per class, by the name that it has now, from the counts that were frozen with it; a member stays when its scan is
    erased."""
    keys = {one["name"]: one["id"] for one in snapshot.classes}
    names = dict(ProjectClass.objects.filter(project=snapshot.project_id).values_list("pk", "name"))
    rows = [
        ClassCounts(names[keys[name]], {side: sides.get(side, 0) for side in splits.SIDES})
        for name, sides in snapshot.class_counts.items()
    ]
    return sorted((row for row in rows if row.total), key=lambda row: row.name)


def split_counts(snapshot: Snapshot) -> dict[str, int]:
    """Members per split, from the counts that were frozen with it."""
    counts: Iterable[dict[str, int]] = snapshot.class_counts.values()
    rows = list(counts)
    return {side: sum(row.get(side, 0) for row in rows) for side in splits.SIDES}
