"""What a version has learned from: its own training, validation and calibration scans, and those of every version that it was
continued from. Which version that was is known one floor up: `training` registers it here when the site starts."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from images.models import Image, NearDuplicate, Rendition, RenditionKind, Split
from labeling.models import Snapshot, SnapshotMember
from models_registry.inference import modality
from models_registry.models import ModelVersion

# For a project (its key): each continued version's key to the key of the version that it was continued from.
Bases = Callable[[int], Mapping[int, int]]
_sources: list[Bases] = []


def bases_from(source: Bases) -> Bases:
    """Register (also as a decorator) the function that knows what versions were continued from."""
    if source not in _sources:
        _sources.append(source)
    return source


def ancestry(model: ModelVersion) -> list[ModelVersion]:
    """The version itself, the one it was continued from, and so on to the first. Few queries however long the chain."""
    bases: dict[int, int] = {}
    for source in _sources:
        bases.update(source(model.project_id))
    chain = [model.pk]
    while (base := bases.get(chain[-1])) is not None and base not in chain:
        chain.append(base)
    rows = ModelVersion.objects.select_related("snapshot").in_bulk(chain[1:])
    return [model, *(rows[pk] for pk in chain[1:])]


@dataclass(frozen=True)
class Exposure:
    """The number of test `scans` that `version` has learned from, directly or through a copy or the patient."""

    version: ModelVersion
    scans: int


def exposures(model: ModelVersion, snapshot: Snapshot) -> list[Exposure]:
    """Which versions in this one's ancestry have seen test scans of `snapshot`, itself first. Versions that learned from one
    data set are one entry, under the youngest of them."""
    youngest: dict[int, ModelVersion] = {}
    for version in ancestry(model):
        youngest.setdefault(version.snapshot_id, version)
    counted = [Exposure(version, seen_test_scans(snapshot, version.snapshot)) for version in youngest.values()]
    return [exposure for exposure in counted if exposure.scans]


def why_flattered(model: ModelVersion, snapshot: Snapshot) -> str:
    """A sentence on why a reading of this test split would flatter the version; empty when it is fair."""
    seen = exposures(model, snapshot)
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
    known = Q(sha256__in=fitted.exclude(sha256="").values("sha256"))
    # By patient as known today: two may have been merged since the model was trained.
    known |= Q(image__patient__in=fitted.filter(image__patient__isnull=False).values("image__patient"))
    for scans in _pictures(fitted):
        known |= Q(image__in=scans)
    return test.filter(known).count()


def seen_in(model: ModelVersion, image: Image) -> str | None:
    """The side of `seen_sides` that has this picture; None: nowhere."""
    return seen_sides(model, [image]).get(image.pk)


def seen_sides(model: ModelVersion, images: Sequence[Image]) -> dict[int, str]:
    """For each of the scans that the version has seen: the side on which its data set, or that of a version it was continued
    from, has this picture: the scan itself, equal bytes or pixels, or a confirmed near-duplicate. Training goes before
    validation before test. A fixed number of queries, however many scans."""
    snapshots = {version.snapshot_id for version in ancestry(model)}
    members = SnapshotMember.objects.filter(snapshot__in=snapshots)
    sides: dict[int, set[str]] = {image.pk: set() for image in images}
    for found in (_sides_of_bytes, _sides_of_near, _sides_of_equal_pixels):
        for pk, side in found(members, images):
            sides[pk].add(side)
    return {pk: next(side.value for side in Split if side in known) for pk, known in sides.items() if known}


_Sides = Iterator[tuple[int, str]]


def _sides_of_bytes(members: "QuerySet[SnapshotMember]", images: Sequence[Image]) -> _Sides:
    """Of the scans themselves and of equal bytes."""
    own, by_digest = {image.pk for image in images}, _grouped(images, "sha256")
    known = Q(image__in=own) | Q(sha256__in=list(by_digest))
    for pk, digest, side in members.filter(known).values_list("image", "sha256", "split"):
        yield from ((copy, side) for copy in {*({pk} & own), *by_digest.get(digest, ())})


def _sides_of_near(members: "QuerySet[SnapshotMember]", images: Sequence[Image]) -> _Sides:
    own = {image.pk for image in images}
    pairs = NearDuplicate.objects.filter(Q(first__in=own) | Q(second__in=own)).values_list("first", "second")
    others: dict[int, set[int]] = defaultdict(set)
    for first, second in pairs:
        others[second].update({first} & own)
        others[first].update({second} & own)
    if others:
        for pk, side in members.filter(image__in=list(others)).values_list("image", "split"):
            yield from ((near, side) for near in others[pk])


def _sides_of_equal_pixels(members: "QuerySet[SnapshotMember]", images: Sequence[Image]) -> _Sides:
    """A copy that has just come in was not yet compared with the others. Equal pixels have an equal perceptual hash, by which
    few are left to look at."""
    by_hash = _grouped(images, "phash")
    alike = list(members.filter(image__phash__in=list(by_hash)).values_list("image__phash", "image", "split"))
    if not alike:
        return
    compared = {pk for _, pk, _ in alike}.union(*(by_hash[phash] for phash, _, _ in alike))
    tiles = Rendition.objects.filter(kind=RenditionKind.TILE, image__in=compared)
    digests = dict(tiles.values_list("image", "blob__sha256"))
    for phash, pk, side in alike:
        there = digests.get(pk)
        yield from ((copy, side) for copy in by_hash[phash] if there and digests.get(copy) == there)


def _grouped(images: Sequence[Image], column: str) -> dict[str, list[int]]:
    """The scans by what they have in this column; without those that have nothing there."""
    groups: dict[str, list[int]] = defaultdict(list)
    for image in images:
        if value := getattr(image, column):
            groups[value].append(image.pk)
    return dict(groups)


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
    tiles = Rendition.objects.filter(kind=RenditionKind.TILE)
    digests = tiles.filter(image__in=own).values("blob__sha256")
    yield tiles.filter(blob__sha256__in=digests).values("image")
    yield from _near(own)


def _near(own: "QuerySet[Any, Any]") -> "Iterator[QuerySet[Any, Any]]":
    yield NearDuplicate.objects.filter(first__in=own).values("second")
    yield NearDuplicate.objects.filter(second__in=own).values("first")
