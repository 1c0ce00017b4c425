"""Freezing a data set: which approved scans, with which label, on which side, under one content hash."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Max, Model
from django.utils import timezone

from images.frames import UNCHOSEN, WHAT_HELPS
from images.models import ApprovalStatus, Image, Project
from images.services import duplicates
from labeling.datasets import splits
from labeling.datasets.candidates import Candidate, Frozen, collect
from labeling.models import GroupSide, Snapshot, SnapshotLeftOut, SnapshotMember
from labeling.policies import require
from mediscan_site.core import audit
from mediscan_site.core.database import insert_all
from mediscan_site.core.errors import Conflict
from mediscan_site.core.models import User

BATCH = 500
TRIES = 3
# How long a person waits for scans that came in just now; usually there are none.
COMPARE_S = 20.0
DETAILS = {
    splits.JOINS_TWO_SIDES: "Its patient, its study or a copy of it is on two sides; including it would be a leak.",
    splits.OTHER_SIDE: "Its patient, its study or a copy of it is already on another side and stays there.",
    "held": "It is held back until somebody has checked whether it shows who the patient is.",
    "ungradable": "It was marked as ungradable.",
    UNCHOSEN: f"It has several frames, and nobody has said which of them count. {WHAT_HELPS}",
    "retired_class": "Its class is retired.",
}


_CORRECT = (
    "Correct the patients: whoever removed the names may have written the same PatientID into every file. Change `patient` of the "
    "scans; where it is not known, leave it empty, and the study counts."
)


class _Moved(Exception):
    """Something that the data set depends on changed between our read and our write."""


def _not_counted(frozen: Frozen) -> str:
    """A sentence about approved scans that were left out, so that nobody wonders why they are missing."""
    reasons = Counter(frozen.left_out.values())
    if not reasons:
        return ""
    named = " ".join(f"{number}: {DETAILS[reason]}" for reason, number in sorted(reasons.items()))
    return f" Approved scans that do not count: {named}"


def _too_few(frozen: Frozen, missing: Sequence[str]) -> str:
    """What is missing, and what helps: more scans do not where those that are there count as one."""
    lacking = f"{'; '.join(missing)}.{_not_counted(frozen)}"
    if one := frozen.one_group():
        return (
            f"All {len(frozen.candidates)} approved scans are of one {one}, and scans of one patient are never on two sides: "
            f"{lacking} {_CORRECT}"
        )
    if few := frozen.few_groups(at_least=len(splits.SIDES)):
        named = "; ".join(f"the {scans} scans of {name} are of {groups}" for name, scans, groups in few)
        return f"Not enough patients: {named}, and scans of one patient are never on two sides: {lacking} {_CORRECT}"
    return f"Not enough approved scans: {lacking} Label and approve more scans, or set their split."


def _any(_: Snapshot) -> None:
    """Accepts every data set."""


def foresee(*, actor: User, project: Project, seed: int = 0) -> Frozen:
    """The data set that `freeze_snapshot` would freeze. It is not frozen, and no scan gets a side; new scans are compared with
    the others.

    Raises Conflict, as freezing does."""
    require(actor, "train_model", project)
    _compare(project)
    return _enough(project, seed)


def _enough(project: Project, seed: int) -> Frozen:
    frozen = collect(project, seed)
    if missing := splits.shortfalls(frozen.counts()):
        raise Conflict(_too_few(frozen, missing), code="not_enough_data")
    return frozen


def freeze_snapshot(
    *, actor: User, project: Project, seed: int = 0, suits: Callable[[Snapshot], None] = _any
) -> Snapshot:
    """The data set of all approved scans that may train. Equal content is the same snapshot, whoever asks. `suits` is
    called with it; when it raises, no new data set is left behind and no scan has been given a side.

    Raises Conflict: `comparison_pending`, `contradictory_labels` with the list, or `not_enough_data`, which says what is
    missing per class and split."""
    require(actor, "train_model", project)
    _compare(project)
    for _ in range(TRIES):
        frozen = _enough(project, seed)
        existing = Snapshot.objects.filter(project=project, content_hash=frozen.content_hash()).first()
        if existing is not None:
            suits(existing)
            return existing
        try:
            with transaction.atomic():
                snapshot = _write(actor, project, seed, frozen)
                suits(snapshot)
                return snapshot
        except (IntegrityError, _Moved):
            # Somebody froze a data set or changed a scan at the same time: read again.
            continue
    raise Conflict("The scans of this project are being changed right now. Try again.")


def _compare(project: Project) -> None:
    """No scan enters before we know what it is a copy of."""
    if waiting := duplicates.compare_project(project.pk, budget_s=COMPARE_S):
        raise Conflict(
            f"{waiting} new scans of this project are still being compared with the others, so that no copy lands on two "
            "sides. Try again in a minute.",
            code="comparison_pending",
        )


def _write(actor: User, project: Project, seed: int, frozen: Frozen) -> Snapshot:
    _check_still_so(project, frozen)
    snapshot = Snapshot.objects.create(
        project=project,
        content_hash=frozen.content_hash(),
        seed=seed,
        grouping=frozen.grouping(),
        grouped_by=frozen.grouped_by(),
        classes=[{"id": row.pk, "name": row.name} for row in frozen.classes],
        class_counts=frozen.counts(),
        test_hash=frozen.test_hash(),
        test_version=_test_version(project, frozen.test_hash()),
        created_by=actor,
    )
    _keep_sides(project, frozen)
    _lock(frozen)
    sides, groups = frozen.assignment.sides, frozen.groups()
    _insert(_member(snapshot, one, sides[one.item.id], groups[one.item.id]) for one in frozen.members)
    _insert(
        SnapshotLeftOut(snapshot=snapshot, image_id=pk, reason=reason, detail=DETAILS[reason])
        for pk, reason in sorted(frozen.left_out.items())
    )
    details: dict[str, Any] = {"members": len(frozen.members), "left_out": len(frozen.left_out)}
    audit.record("snapshot.create", actor=actor, obj=snapshot, project=project.pk, details=details)
    return snapshot


def _check_still_so(project: Project, frozen: Frozen) -> None:
    """Freezes of a project run one after the other (where rows can be locked; SQLite allows only one writer anyway), each
    on the present state."""
    Project.objects.select_for_update().get(pk=project.pk)
    if dict(GroupSide.objects.filter(project=project).values_list("group", "side")) != frozen.known:
        raise _Moved
    # Those that were read are approved; one that no longer is has another version. A project may have a million others.
    approved = Image.objects.filter(project=project, approval_status=ApprovalStatus.APPROVED, erased_at__isnull=True)
    now = dict(approved.values_list("pk", "version"))
    if any(now.get(pk) != version for pk, version in frozen.versions.items()):
        raise _Moved


def _test_version(project: Project, test_hash: str) -> int:
    """The version of a known test set, or the next number."""
    snapshots = Snapshot.objects.filter(project=project)
    known = snapshots.filter(test_hash=test_hash).values_list("test_version", flat=True).first()
    return known or (snapshots.aggregate(highest=Max("test_version"))["highest"] or 0) + 1


def _member(snapshot: Snapshot, one: Candidate, side: str, group: str) -> SnapshotMember:
    return SnapshotMember(
        snapshot=snapshot,
        image=one.image,
        label_id=one.label_id,
        label_class_id=one.item.class_id,
        split=side,
        group=group,
        sha256=one.image.sha256 or "",
        frames=list(one.frames),
    )


def _insert(rows: Iterable[Model]) -> None:
    """Some rows at a time, which are made as they are written: a scan has several keys, each of which gets its side."""
    made = iter(rows)
    while some := list(islice(made, BATCH)):
        insert_all(some)


def _keep_sides(project: Project, frozen: Frozen) -> None:
    """Record the sides of keys seen for the first time, and of those that moved to another side."""
    keys, known = frozen.assignment.keys, frozen.known
    _insert(GroupSide(project=project, group=key, side=side) for key, side in keys.items() if key not in known)
    for side in splits.SIDES:
        moved = [key for key, now in keys.items() if now == side and known.get(key, side) != side]
        for start in range(0, len(moved), BATCH):
            GroupSide.objects.filter(project=project, group__in=moved[start : start + BATCH]).update(side=side)


def _lock(frozen: Frozen) -> None:
    """Give every new member its side for ever. The version moves on: the scan's split has changed."""
    for side in splits.SIDES:
        new = [
            one.image
            for one in frozen.members
            if frozen.assignment.sides[one.item.id] == side and not one.image.split_locked
        ]
        for start in range(0, len(new), BATCH):
            _lock_batch(new[start : start + BATCH], side)


def _lock_batch(images: Sequence[Image], side: str) -> None:
    for given in (None, side):
        pks = [image.pk for image in images if (image.split or None) == given]
        rows = Image.objects.filter(pk__in=pks, split_locked=False, erased_at__isnull=True, split=given)
        columns = {"split": side, "split_locked": True, "version": F("version") + 1, "updated_at": timezone.now()}
        if rows.update(**columns) != len(pks):
            raise _Moved
