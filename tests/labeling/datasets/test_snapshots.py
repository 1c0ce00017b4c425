"""Frozen data sets: what enters, what is left out and why, and that a side is kept for ever."""

import io
import zipfile

import pytest

from images.models import Image
from images.services import delete_scan, grant, retire_class, update_project, update_scan
from labeling.datasets import selectors
from labeling.datasets.freezing import freeze_snapshot
from labeling.exports.parcel import export_snapshot
from labeling.models import GroupSide, Snapshot, SnapshotMember
from labeling.reading.labels import label_scan, mark_ungradable, withdraw_label
from labeling.reading.reviews import review_scan
from mediscan_site.core.errors import Conflict, Forbidden
from mediscan_site.core.models import AuditEvent


def freeze(admin, project, seed: int = 0) -> Snapshot:
    return freeze_snapshot(actor=admin, project=project, seed=seed)


def sides(snapshot: Snapshot) -> dict[int, str]:
    return dict(selectors.snapshot_members(snapshot).values_list("image", "split"))


def left_out(snapshot: Snapshot) -> dict[int, str]:
    return dict(selectors.snapshot_left_out(snapshot).values_list("image", "reason"))


def test_only_approved_scans_that_may_train_enter(approved_scans, make_scan, author, admin, project):
    good = approved_scans(12)
    make_scan(seed=1)
    make_scan(seed=2, label="NORMAL")
    (held_back,) = approved_scans(1, first_seed=300)
    update_scan(actor=author, image=held_back, changes={"use_for_training": False})
    snapshot = freeze(admin, project)
    assert set(sides(snapshot)) == {scan.pk for scan in good}
    assert (left_out(snapshot), snapshot.grouping) == ({}, "patient")
    assert sum(selectors.split_counts(snapshot).values()) == 12


def test_what_cannot_train_is_left_out_and_named(approved_scans, make_scan, author, colleague, admin, project):
    approved_scans(12)
    blurred, multi, old = make_scan(seed=1), make_scan(seed=2, label="NORMAL"), make_scan(seed=3)
    mark_ungradable(actor=author, image=blurred, reason="blurred")
    Image.objects.filter(pk=multi.pk).update(image_format="DICOM", frames=3)
    update_project(actor=admin, project=project, changes={"classes": ["NORMAL", "OPACITY", "OLD"]})
    label_scan(actor=author, image=old, label_class=project.class_rows.get(name="OLD"))
    for scan in (blurred, multi, old):
        review_scan(actor=colleague, image=scan, status="approved")
    retire_class(actor=admin, project_class=project.class_rows.get(name="OLD"))
    snapshot = freeze(admin, project)
    assert left_out(snapshot) == {
        blurred.pk: "ungradable",
        multi.pk: "unsupported_multiframe",
        old.pk: "retired_class",
    }
    assert all(entry.detail for entry in selectors.snapshot_left_out(snapshot))


def test_equal_content_is_the_same_snapshot_and_another_label_is_another(
    approved_scans, author, colleague, admin, project
):
    scans = approved_scans(16)
    first = freeze(admin, project)
    assert freeze(admin, project, seed=5) == first
    assert Snapshot.objects.count() == 1
    changed = next(one for one in scans if one.label_class.name == "NORMAL" and sides(first)[one.pk] == "train")
    label_scan(actor=author, image=changed, label_class=project.class_rows.get(name="OPACITY"))
    review_scan(actor=colleague, image=changed, status="approved")
    second = freeze(admin, project)
    assert second.content_hash != first.content_hash
    assert sides(second) == sides(first)
    member = SnapshotMember.objects.get(snapshot=first, image=changed)
    assert member.label_class.name == "NORMAL"


def test_a_snapshot_locks_the_split_of_its_scans(approved_scans, author, admin, project):
    scans = approved_scans(12)
    snapshot = freeze(admin, project)
    for scan in Image.objects.filter(pk__in=[scan.pk for scan in scans]):
        assert (scan.split, scan.split_locked) == (sides(snapshot)[scan.pk], True)
        assert scan.version == scans[0].version + 1
    locked = Image.objects.get(pk=scans[0].pk)
    other = "val" if locked.split != "val" else "test"
    with pytest.raises(Conflict) as refused:
        update_scan(actor=author, image=locked, changes={"split": other})
    assert refused.value.code == "split_locked"


def test_newcomers_follow_their_patient_and_nobody_moves(approved_scans, make_scan, colleague, admin, project):
    approved_scans(12)
    before = sides(freeze(admin, project))
    known = Image.objects.get(pk=next(pk for pk, side in before.items() if side == "test"))
    newcomer = make_scan(seed=500, label="NORMAL", patient=known.patient)
    assert newcomer.patient == known.patient
    review_scan(actor=colleague, image=newcomer, status="approved")
    approved_scans(10, first_seed=700)
    after = sides(freeze(admin, project))
    assert {pk: after[pk] for pk in before} == before
    assert after[newcomer.pk] == "test"


def test_a_newcomer_given_another_side_than_its_patient_is_left_out(
    approved_scans, make_scan, colleague, admin, project
):
    approved_scans(12)
    before = sides(freeze(admin, project))
    known = Image.objects.get(pk=next(pk for pk, side in before.items() if side == "train"))
    newcomer = make_scan(seed=500, label="NORMAL", patient=known.patient, split="test")
    review_scan(actor=colleague, image=newcomer, status="approved")
    approved_scans(2, first_seed=800)
    assert left_out(freeze(admin, project)) == {newcomer.pk: "group_on_other_side"}


def test_a_patient_on_two_sides_stays_on_the_test_side(approved_scans, make_scan, colleague, admin, project):
    approved_scans(12)
    pair = [
        make_scan(seed=s, label="NORMAL", patient="both", split=side) for s, side in ((900, "train"), (901, "test"))
    ]
    for scan in pair:
        review_scan(actor=colleague, image=scan, status="approved")
    snapshot = freeze(admin, project)
    assert sides(snapshot)[pair[1].pk] == "test"
    assert left_out(snapshot) == {pair[0].pk: "group_on_other_side"}
    assert not Image.objects.get(pk=pair[0].pk).split_locked


def test_equal_pixels_in_different_files_count_as_one_scan(
    approved_scans, make_scan, author, colleague, admin, project
):
    """The same picture as JPEG and with a comment in it: other bytes, other patient, equal pixels."""
    from images.services import ScanFacts
    from labeling.imports.services import upload_scan
    from tests.conftest import scan_bytes

    approved_scans(12)
    data = scan_bytes(77)
    copies = []
    for side, content in (("train", data), ("test", data[:2] + b"\xff\xfe\x00\x06copy" + data[2:])):
        scan, created = upload_scan(
            actor=author,
            project=project,
            source=io.BytesIO(content),
            file_name=f"{side}.jpg",
            facts=ScanFacts(patient=f"patient of {side}"),
            label_class=project.class_rows.get(name="NORMAL"),
            split=side,
        )
        assert created
        review_scan(actor=colleague, image=scan, status="approved")
        copies.append(scan)
    snapshot = freeze(admin, project)
    assert left_out(snapshot) == {copies[0].pk: "group_on_other_side"}


def test_one_scan_without_a_patient_makes_the_grouping_none(approved_scans, make_scan, colleague, admin, project):
    approved_scans(12)
    assert freeze(admin, project).grouping == "patient"
    review_scan(actor=colleague, image=make_scan(seed=1, label="NORMAL"), status="approved")
    assert freeze(admin, project).grouping == "none"


def test_too_little_data_is_refused_with_what_is_missing_and_nothing_is_written(approved_scans, admin, project):
    approved_scans(2)
    with pytest.raises(Conflict) as refused:
        freeze(admin, project)
    assert refused.value.code == "not_enough_data"
    assert "NORMAL has 1 of at least 2 in train" in refused.value.detail
    assert "OPACITY has 0 of at least 1 in test" in refused.value.detail
    assert not Snapshot.objects.exists() and not GroupSide.objects.exists()
    assert not Image.objects.filter(split_locked=True).exists()


def test_a_changed_patient_that_would_leak_leaves_the_scan_out_of_the_next_data_set(
    approved_scans, author, admin, project
):
    scans = approved_scans(24)
    before = sides(freeze(admin, project))
    train = next(scan for scan in scans if before[scan.pk] == "train")
    test = next(scan for scan in scans if before[scan.pk] == "test")
    update_scan(actor=author, image=train, changes={"patient": test.patient})
    assert left_out(freeze(admin, project)) == {train.pk: "joins_two_sides"}


def test_freezing_needs_the_right_to_train(approved_scans, author, admin, project):
    approved_scans(12)
    with pytest.raises(Forbidden):
        freeze_snapshot(actor=author, project=project)
    grant(actor=admin, project=project, user=author, codename="train_model")
    snapshot = freeze_snapshot(actor=author, project=project)
    event = AuditEvent.objects.get(action="snapshot.create")
    assert (event.object_id, event.details["members"]) == (str(snapshot.pk), 12)


def test_a_split_given_meanwhile_starts_the_freeze_again(approved_scans, admin, project, monkeypatch):
    from labeling.datasets import freezing as snapshots

    scans = approved_scans(16)
    real, disturbed = snapshots._keep_sides, []

    def meddle(*args) -> None:
        if not disturbed:
            disturbed.append(1)
            Image.objects.filter(pk=scans[0].pk).update(split="test")
        real(*args)

    monkeypatch.setattr(snapshots, "_keep_sides", meddle)
    snapshot = freeze(admin, project)
    assert disturbed and sides(snapshot)[scans[0].pk] in {"train", "val", "test"}
    assert Image.objects.filter(split_locked=True).count() == 16


def test_an_export_leaves_out_what_was_erased_and_is_audited(make_snapshot, author, admin):
    snapshot = make_snapshot(4)
    gone = selectors.snapshot_members(snapshot).first()
    delete_scan(actor=admin, image=gone.image)
    data = b"".join(export_snapshot(actor=author, snapshot=snapshot))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert not [name for name in archive.namelist() if gone.image.code in name]
    gone.refresh_from_db()
    assert (gone.sha256, gone.group) == ("", f"scan:{gone.image_id}")
    assert AuditEvent.objects.filter(action="snapshot.export", actor=author).count() == 1


def test_withdrawn_and_erased_scans_enter_no_later_data_set(approved_scans, author, admin, project):
    scans = approved_scans(24)
    freeze(admin, project)
    withdraw_label(actor=author, image=scans[0])
    delete_scan(actor=admin, image=Image.objects.get(pk=scans[1].pk))
    later = sides(freeze(admin, project))
    assert not {scans[0].pk, scans[1].pk} & later.keys()
    assert len(later) == 22
