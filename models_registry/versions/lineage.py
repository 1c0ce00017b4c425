"""What a version has learned from: its own training, validation and calibration scans, and those of every version that it was
continued from. Which version that was is known one floor up: `training` registers it here when the site starts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from images.models import Image, NearDuplicate, Rendition, RenditionKind, Split
from labeling.models import Snapshot, SnapshotMember
from mediscan_site.core.remembering import Memory
from models_registry.inference import modality
from models_registry.models import ModelVersion

# For a project (its key): each continued version's key to the key of the version that it was continued from.
Bases = Callable[[int], Mapping[int, int]]
_sources: list[Bases] = []
_seen = Memory()
_learned_from = Memory()


def bases_from(source: Bases) -> Bases:
    """Register (also as a decorator) the function that knows what versions were continued from."""
    if source not in _sources:
        _sources.append(source)
    return source


def bases_of(project: int) -> dict[int, int]:
    """What every source knows of a project's versions: to be asked once where several of them are looked at."""
    return {version: base for source in _sources for version, base in source(project).items()}


def ancestry(model: ModelVersion, bases: Mapping[int, int] | None = None) -> list[ModelVersion]:
    """The version itself, the one it was continued from, and so on to the first. Few queries however long the chain."""
    known = bases_of(model.project_id) if bases is None else bases
    chain = [model.pk]
    while (base := known.get(chain[-1])) is not None and base not in chain:
        chain.append(base)
    rows = ModelVersion.objects.select_related("snapshot").in_bulk(chain[1:])
    return [model, *(rows[pk] for pk in chain[1:])]


@dataclass(frozen=True)
class Exposure:
    """The number of test `scans` that `version` has learned from, directly or through a copy or the patient."""

    version: ModelVersion
    scans: int


def exposures(
    model: ModelVersion, snapshot: Snapshot, bases: Mapping[int, int] | None = None, *, lately: bool = False
) -> list[Exposure]:
    """Which versions in this one's ancestry have seen test scans of `snapshot`, itself first. Versions that learned from one
    data set are one entry, under the youngest of them. `lately`: as it was some minutes ago will do."""
    youngest: dict[int, ModelVersion] = {}
    for version in ancestry(model, bases):
        youngest.setdefault(version.snapshot_id, version)
    count = _seen_lately if lately else seen_test_scans
    counted = [Exposure(version, count(snapshot, version.snapshot)) for version in youngest.values()]
    return [exposure for exposure in counted if exposure.scans]


def why_flattered(
    model: ModelVersion, snapshot: Snapshot, bases: Mapping[int, int] | None = None, *, lately: bool = False
) -> str:
    """A sentence on why a reading of this test split would flatter the version; empty when it is fair. `lately`: for a page."""
    seen = exposures(model, snapshot, bases, lately=lately)
    if not seen:
        return ""
    total = SnapshotMember.objects.filter(snapshot=snapshot, split=Split.TEST).count()
    facts = "; ".join(_said(model, exposure, snapshot, total) for exposure in seen)
    return f"{facts}; a result would flatter it."


def _said(model: ModelVersion, exposure: Exposure, snapshot: Snapshot, total: int) -> str:
    who = model.code
    if exposure.version.pk != model.pk:
        who = f"{model.code} was continued from {exposure.version.code}, which"
    return f"{who} was trained on scans or patients of {snapshot.code}'s test split ({exposure.scans} of {total} scans)"


def seen_test_scans(tested: Snapshot, learned: Snapshot) -> int:
    """How many test scans of one data set were seen by whoever trained on the other: the scan itself, equal bytes or pixels, a
    confirmed near-duplicate, or another scan of the patient. One query."""
    test = SnapshotMember.objects.filter(snapshot=tested, split=Split.TEST)
    fitted = SnapshotMember.objects.filter(snapshot=learned).exclude(split=Split.TEST)
    # Each by itself: joined by OR they are asked of every member, however few there are.
    known = [
        Q(sha256__in=fitted.exclude(sha256="").values("sha256")),
        # By patient as known today: two may have been merged since the model was trained.
        Q(image__patient__in=fitted.filter(image__patient__isnull=False).values("image__patient")),
        *(Q(image__in=scans) for scans in _pictures(fitted)),
    ]
    first, *others = (test.filter(one).order_by().values("pk") for one in known)
    return first.union(*others).count()


def _seen_lately(tested: Snapshot, learned: Snapshot) -> int:
    """`seen_test_scans` for pages, which are looked at often. It changes when patients are merged or copies are confirmed."""
    key = (tested.pk, tested.created_at, learned.pk, learned.created_at)
    return int(_seen.of(key, lambda: seen_test_scans(tested, learned)))


def learned_scans(model: ModelVersion) -> Q:
    """What makes a scan one that the version, or one it was continued from, has learned from: by itself, a copy or its patient."""
    snapshots = {version.snapshot_id for version in ancestry(model)}
    fitted = SnapshotMember.objects.filter(snapshot__in=snapshots).exclude(split=Split.TEST)
    known = Q(sha256__in=fitted.exclude(sha256="").values("sha256"))
    known |= Q(patient__in=fitted.filter(image__patient__isnull=False).values("image__patient"))
    for scans in _pictures(fitted):
        known |= Q(pk__in=scans)
    return known


def seen_in(model: ModelVersion, image: Image) -> str | None:
    """`seen_in_all` of one scan."""
    return seen_in_all(model, [image])[image.pk]


def seen_in_all(model: ModelVersion, images: Sequence[Image]) -> dict[int, str | None]:
    """The side on which the version's data set, or that of a version it was continued from, has each picture: the scan itself,
    equal bytes or pixels, or a confirmed near-duplicate. Training goes before validation before test; None: nowhere. The same
    few queries for any number of scans."""
    members = SnapshotMember.objects.filter(snapshot__in=_snapshots(model))
    alike = _alike(images)
    digests = {image.sha256 for image in images if image.sha256}
    known = Q(image__in=set().union(*alike.values())) | Q(sha256__in=digests)
    rows = list(members.filter(known).values_list("image", "sha256", "split"))
    copies = _equal_pixels(members, images)
    found = {}
    for image in images:
        own = {split for pk, sha256, split in rows if pk in alike[image.pk] or (sha256 and sha256 == image.sha256)}
        sides = own | copies.get(image.pk, set())
        found[image.pk] = next((side.value for side in Split if side in sides), None)
    return found


def _snapshots(model: ModelVersion) -> set[int]:
    """The keys of the data sets that the version and those before it learned from, which stay as they are."""
    known: set[int] = _learned_from.of(
        (model.pk, model.training_date), lambda: {version.snapshot_id for version in ancestry(model)}
    )
    return known


def _alike(images: Sequence[Image]) -> dict[int, set[int]]:
    """The keys of each scan itself and of its confirmed near-duplicates, by its key."""
    alike = {image.pk: {image.pk} for image in images}
    # Not one question with OR, for which neither column's index is walked.
    first, second = (
        NearDuplicate.objects.filter(**{f"{mine}__in": list(alike)}).order_by().values_list(mine, other)
        for mine, other in (("first", "second"), ("second", "first"))
    )
    for pk, near in first.union(second, all=True):
        alike[pk].add(near)
    return alike


def _equal_pixels(members: "QuerySet[SnapshotMember]", images: Sequence[Image]) -> dict[int, set[str]]:
    """The sides of copies that have just come in and were not yet compared with the others, by the key of the scan. Equal
    pixels have an equal perceptual hash, by which few are left to look at."""
    hashes = {image.phash for image in images if image.phash}
    rows = list(members.filter(image__phash__in=hashes).values_list("image", "split")) if hashes else []
    if not rows:
        return {}
    wanted = {image.pk for image in images} | {pk for pk, _ in rows}
    tiles = Rendition.objects.filter(kind=RenditionKind.TILE, frame=0, image__in=wanted)
    digests = dict(tiles.values_list("image", "blob__sha256"))
    owns = {image.pk: digests.get(image.pk) for image in images}
    return {pk: {side for other, side in rows if own and digests.get(other) == own} for pk, own in owns.items()}


def is_of_other_modality(model: ModelVersion, image: Image) -> bool:
    """Whether the scan's modality contradicts the project's, and no scan that the version learned from had such a one."""
    if not modality.contradict(image.modality, model.project.modality):
        return False
    learned = SnapshotMember.objects.filter(snapshot=model.snapshot_id).exclude(split=Split.TEST)
    known = learned.order_by().values_list("image__modality", flat=True).distinct()
    return not any(modality.codes(image.modality) & modality.codes(text) for text in known)


def _pictures(fitted: "QuerySet[SnapshotMember]") -> "Iterator[QuerySet[Any, Any]]":
    """Keys of the scans that show what these members show, as subqueries."""
    own = fitted.values("image")
    yield own
    tiles = Rendition.objects.filter(kind=RenditionKind.TILE, frame=0)
    digests = tiles.filter(image__in=own).values("blob__sha256")
    yield tiles.filter(blob__sha256__in=digests).values("image")
    yield from _near(own)


def _near(own: "QuerySet[Any, Any]") -> "Iterator[QuerySet[Any, Any]]":
    yield NearDuplicate.objects.filter(first__in=own).values("second")
    yield NearDuplicate.objects.filter(second__in=own).values("first")
