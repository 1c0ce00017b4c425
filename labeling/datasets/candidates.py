"""What a data set frozen now would hold: which approved scans, what binds them to others, and on which side they are."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from images import frames
from images.models import ApprovalStatus, Image, PatientMerge, Project, ProjectClass, Rendition, RenditionKind
from labeling.datasets import persons, splits
from labeling.models import Grouping, GroupSide
from mediscan_site.core.errors import Conflict
from mediscan_site.core.storage import ring

PAIRS_NAMED = 100
NOBODY: persons.Keys = frozenset()


@dataclass(frozen=True)
class Candidate:
    """An approved scan that may train, what binds it to others, and the digests of what it shows. `frames`: of a scan of several
    those that are looked at."""

    image: Image
    label_id: int
    item: splits.Item
    contents: frozenset[str]
    frames: tuple[int, ...] = ()

    def named(self, *facts: str | int) -> list[Any]:
        """What a hash says of it. Of a scan of several frames its frames too: others of it are another data set."""
        return [str(self.image.sha256), self.item.class_id, *facts, *([list(self.frames)] if self.frames else [])]


@dataclass(frozen=True)
class Frozen:
    """A data set as it would be, before anything is written. `candidates`: members, and those that found no side. `known`: the
    sides of keys as they were read."""

    classes: list[ProjectClass]
    candidates: list[Candidate]
    members: list[Candidate]
    assignment: splits.Assignment
    left_out: dict[int, str]
    known: Mapping[str, str]
    versions: Mapping[int, int]

    def counts(self) -> dict[str, dict[str, int]]:
        """Class name to side to number of members; every class and side is named."""
        counts = splits.count((member.item for member in self.members), self.assignment.sides)
        empty = dict.fromkeys(splits.SIDES, 0)
        return {row.name: counts.get(row.pk, empty) for row in self.classes}

    def content_hash(self) -> str:
        """SHA-256 over the classes (id and order) and every (sha256, class id, split), sorted; of a scan of several frames with the
        list of those that are looked at."""
        rows = [member.named(self.assignment.sides[member.item.id]) for member in self.members]
        return digest([row.pk for row in self.classes], rows)

    def test_hash(self) -> str:
        """SHA-256 over the classes and every (sha256, class id, frames of several) of the test side: equal hash, equal test set."""
        test = [member for member in self.members if self.assignment.sides[member.item.id] == splits.TEST]
        return digest([row.pk for row in self.classes], [one.named() for one in test])

    def grouping(self) -> Grouping:
        """What the split keeps together. One scan without a patient, and it is not a split by patient: it is one by study where
        all scans have at least that, by near-duplicates where some were found among the members, else by equal content alone."""
        counts = self.grouped_by()
        if counts[Grouping.NEAR_DUPLICATE] or counts[Grouping.NONE] or not self.members:
            return Grouping.NEAR_DUPLICATE if self._lookalike() else Grouping.NONE
        return Grouping.STUDY if counts[Grouping.STUDY] else Grouping.PATIENT

    def grouped_by(self) -> dict[str, int]:
        """How many members are bound by what: by the patient, else by the study, else by near-duplicates, else by nothing."""
        lookalike = self._lookalike()
        counts = dict.fromkeys(Grouping.values, 0)
        for member in self.members:
            counts[_bound_by(member, lookalike)] += 1
        return counts

    def _lookalike(self) -> set[int]:
        """The members that look like another member."""
        present = {f"scan:{member.item.id}" for member in self.members}
        return {one.item.id for one in self.members if (one.item.keys & present) - {f"scan:{one.item.id}"}}

    def one_group(self) -> str:
        """What all candidates that could be placed are of, `patient` or `study`; empty where they are of several."""
        if len(self.candidates) < 2 or len(splits.components([one.item for one in self.candidates])) > 1:
            return ""
        for name in ("patient", "study"):
            if len({getattr(one.image, name) for one in self.candidates} - {None}) == 1:
                return name
        return "patient"

    def few_groups(self, at_least: int) -> list[tuple[str, int, int]]:
        """The classes that cannot be on `at_least` sides although they have the scans: class, scans, groups (patients)."""
        found = []
        groups = splits.components([one.item for one in self.candidates])
        for row in self.classes:
            sizes = [sum(item.class_id == row.pk for item in group) for group in groups]
            own = sum(size > 0 for size in sizes)
            if 0 < own < at_least <= sum(sizes):
                found.append((row.name, sum(sizes), own))
        return found

    def groups(self) -> dict[int, str]:
        """For each member the name of its group: the patient or the study where nothing else binds, else a scan."""
        own = {member.item.id: _own_group(member.image) for member in self.members}
        names = {}
        for group in splits.components([member.item for member in self.members]):
            group_names = {own[item.id] for item in group}
            only = group_names.pop() if len(group_names) == 1 else None
            name = only or f"scan:{group[0].id}"
            names.update(dict.fromkeys((item.id for item in group), name))
        return names


def _bound_by(member: Candidate, lookalike: set[int]) -> Grouping:
    if member.image.patient or member.image.study:
        return Grouping.PATIENT if member.image.patient else Grouping.STUDY
    return Grouping.NEAR_DUPLICATE if member.item.id in lookalike else Grouping.NONE


def _own_group(image: Image) -> str | None:
    if image.patient:
        return f"patient:{image.patient}"
    return f"study:{image.study}" if image.study else None


def digest(classes: list[int], rows: list[list[Any]]) -> str:
    """SHA-256 of classes (ids in order) and rows (in any order) as compact JSON."""
    return hashlib.sha256(json.dumps([classes, sorted(rows)], separators=(",", ":")).encode()).hexdigest()


def collect(project: Project, seed: int) -> Frozen:
    """Raises Conflict `contradictory_labels` when equal pictures have different classes."""
    classes = list(ProjectClass.objects.filter(project=project, retired_at__isnull=True).order_by("position"))
    active = {row.pk for row in classes}
    approved = list(_approved(project))
    looked = frames.all_looked_at([image for image, _ in approved], project)
    left_out = {image.pk: reason for image, _ in approved if (reason := _unfit(image, active, looked[image.pk]))}
    candidates = list(_candidates(project, [row for row in approved if row[0].pk not in left_out], looked))
    _refuse_contradictions(candidates, {row.pk: row.name for row in classes})
    known = dict(GroupSide.objects.filter(project=project).values_list("group", "side"))
    assignment = splits.assign((one.item for one in candidates), known=known, seed=seed)
    members = [one for one in candidates if one.item.id in assignment.sides]
    versions = {image.pk: image.version for image, _ in approved}
    return Frozen(classes, candidates, members, assignment, {**left_out, **assignment.left_out}, known, versions)


def _approved(project: Project) -> Iterator[tuple[Image, int]]:
    """Approved scans that may train and have been compared with the others, each with its label."""
    scans = Image.objects.filter(
        Q(compared_at__isnull=False) | Q(phash=""),
        project=project,
        erased_at__isnull=True,
        approval_status=ApprovalStatus.APPROVED,
        use_for_training=True,
        reference__isnull=False,
    ).select_related("reference")
    merged = dict(PatientMerge.objects.filter(project=project).values_list("source", "target"))
    for image in scans.order_by("pk"):
        # An upload that was under way during a merge still carries the old pseudonym.
        image.patient = merged.get(image.patient or "", image.patient)
        yield image, image.reference.label_id


def _unfit(image: Image, active: set[int], looked: frames.Looked) -> str:
    """Why an approved scan cannot train; empty when it can."""
    if image.hold:
        return "held"
    if image.label_class_id is None:
        return "ungradable"
    if frames.unchosen(image, looked):
        return frames.UNCHOSEN
    return "" if image.label_class_id in active else "retired_class"


def _candidates(
    project: Project, rows: Iterable[tuple[Image, int]], looked: Mapping[int, frames.Looked]
) -> Iterator[Candidate]:
    approved = {"image__project": project, "image__approval_status": ApprovalStatus.APPROVED}
    kept = Rendition.objects.filter(**approved, kind=RenditionKind.TILE, frame=0)
    tiles = dict(kept.values_list("image", "blob__sha256"))
    lookalikes = persons.lookalikes(project)
    same = persons.one_person(persons.all_studies_of_several(project))
    for image, label_id in rows:
        # Kept for ever, so keyed: a bare digest would still identify the content of an erased scan.
        digests = {f"bytes {image.sha256}"} | ({f"tile {tiles[image.pk]}"} if image.pk in tiles else set())
        scope = f"copy {project.pk}"
        contents = frozenset(f"copy:{ring.current().pseudonym(content, scope=scope)}" for content in digests)
        item = splits.Item(
            id=image.pk,
            class_id=image.label_class_id or 0,
            keys=contents | bonds(image, lookalikes.get(image.pk, {}), same.get(image.patient or "", NOBODY)),
            split=image.split or None,
            locked=image.split_locked,
        )
        yield Candidate(image, label_id, item, contents, looked[image.pk].frames)


def bonds(image: Image, lookalikes: Mapping[int, persons.Keys], same: persons.Keys) -> set[str]:
    """A scan is bound to its patient, its study and its near-duplicates (and they to it), whether they are members or not.

    A newcomer is also bound to patient and study of its near-duplicates, as it shows the same, and to the patients that meet
    its own in a study (`same`). A scan that already has a side does not take on what a newcomer brings along."""
    keys = {f"scan:{pk}" for pk in (image.pk, *lookalikes)} | persons.person(image.patient, image.study)
    return keys if image.split_locked else keys.union(same, *lookalikes.values())


def _refuse_contradictions(candidates: Iterable[Candidate], names: Mapping[int, str]) -> None:
    """Equal pictures with different classes: one of the labels is wrong, and no model should learn both."""
    by_content: dict[str, list[Candidate]] = defaultdict(list)
    for one in candidates:
        for content in one.contents:
            by_content[content].append(one)
    pairs = {
        (group[0].image.code, names[group[0].item.class_id], one.image.code, names[one.item.class_id])
        for group in by_content.values()
        for one in group[1:]
        if one.item.class_id != group[0].item.class_id
    }
    if not pairs:
        return
    named = [f"{first} ({label}) and {second} ({other})" for first, label, second, other in sorted(pairs)[:PAIRS_NAMED]]
    more = f", and {len(pairs) - PAIRS_NAMED} more" if len(pairs) > PAIRS_NAMED else ""
    raise Conflict(
        f"Equal pictures have different approved labels: {'; '.join(named)}{more}. Correct one label of each pair, or take "
        "one of the scans out of training (use_for_training).",
        code="contradictory_labels",
    )
