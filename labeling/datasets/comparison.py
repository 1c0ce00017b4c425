"""A data set as a list that anybody can check, and what changed between two of them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from labeling.datasets.selectors import snapshot_left_out, split_counts
from labeling.models import Snapshot, SnapshotMember
from mediscan_site.core.http.pages import every_row

COLUMNS: Final = ("image", "sha256", "label", "split", "group", "frames", "erased")


def manifest(snapshot: Snapshot) -> Iterator[str]:
    """JSON in pieces. The content hash is SHA-256 of the compact JSON of [class ids in order, sorted rows of (sha256,
    class id, split)]; the test hash that of [class ids in order, sorted rows of (sha256, class id) of the test split]. The row
    of a scan of several frames ends with the list of those that are looked at. The digests of scans that have since been
    erased are gone."""
    yield json.dumps(_head(snapshot))[:-1] + ', "members": ['
    yield from _joined(dict(zip(COLUMNS, row, strict=True)) for row in member_rows(snapshot))
    yield '], "left_out": ['
    left_out = every_row(snapshot_left_out(snapshot), "image_id")
    yield from _joined({"scan": row.image.code, "reason": row.reason, "detail": row.detail} for row in left_out)
    yield "]}\n"


def member_rows(snapshot: Snapshot) -> Iterator[tuple[Any, ...]]:
    """The members in order of scan, as COLUMNS."""
    for member in every_row(_members(snapshot), "image_id"):
        erased = member.image.erased_at is not None
        label, group = member.label_class.name, member.group
        yield (member.image.code, member.sha256, label, member.split, group, member.frames, erased)


def _members(snapshot: Snapshot) -> Any:
    members = SnapshotMember.objects.filter(snapshot=snapshot)
    return members.select_related("image", "label_class").order_by("image_id")


def _head(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "dataset_id": snapshot.code,
        "project": snapshot.project_id,
        "content_hash": snapshot.content_hash,
        "test_hash": snapshot.test_hash,
        "test_version": snapshot.test_version,
        "grouping": snapshot.grouping,
        "grouped_by": snapshot.grouped_by,
        "seed": snapshot.seed,
        "classes": snapshot.classes,
        "split": split_counts(snapshot),
        "created_by": snapshot.created_by.username,
        "created_at": snapshot.created_at.isoformat(),
    }


def _joined(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield ("," if number else "") + "\n" + json.dumps(row)


@dataclass(frozen=True)
class Standing:
    """What a scan is in a data set."""

    image: str
    label: str
    split: str
    frames: tuple[int, ...] = ()


@dataclass(frozen=True)
class Change:
    """What a scan was in one data set and is in the other."""

    image: str
    before: str
    after: str


@dataclass
class Diff:
    """From `against` to `dataset`. A scan may be both relabelled and moved; by the rules of splits, none ever moves."""

    dataset: Snapshot
    against: Snapshot
    added: list[Standing] = field(default_factory=list)
    removed: list[Standing] = field(default_factory=list)
    relabelled: list[Change] = field(default_factory=list)
    moved: list[Change] = field(default_factory=list)
    reframed: list[Change] = field(default_factory=list)

    @property
    def same_test_set(self) -> bool:
        return self.dataset.test_hash == self.against.test_hash


def diff(snapshot: Snapshot, *, against: Snapshot) -> Diff:
    before, after = _standings(against), _standings(snapshot)
    difference = Diff(snapshot, against)
    for pk in sorted(before.keys() | after.keys()):
        old, new = before.get(pk), after.get(pk)
        if old is None or new is None:
            _one_sided(difference, old, new)
            continue
        if old.label != new.label:
            difference.relabelled.append(Change(new.image, old.label, new.label))
        if old.split != new.split:
            difference.moved.append(Change(new.image, old.split, new.split))
        if old.frames != new.frames:
            difference.reframed.append(Change(new.image, _listed(old.frames), _listed(new.frames)))
    return difference


def _listed(frames: tuple[int, ...]) -> str:
    return ", ".join(map(str, frames))


def _one_sided(found: Diff, old: Standing | None, new: Standing | None) -> None:
    if new is not None:
        found.added.append(new)
    if old is not None:
        found.removed.append(old)


def _standings(snapshot: Snapshot) -> dict[int, Standing]:
    rows = every_row(_members(snapshot), "image_id")
    return {row.image_id: Standing(row.image.code, row.label_class.name, row.split, tuple(row.frames)) for row in rows}
