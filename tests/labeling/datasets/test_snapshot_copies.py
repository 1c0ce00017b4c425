"""Frozen data sets: copies, contradictions, merged patients, held scans and the version of a test set."""

import io
from importlib import import_module

import pytest
from django.apps import apps
from PIL import Image as Picture

from images.models import Hold, Image, NearDuplicate
from images.services import ScanFacts, duplicates, update_scan
from images.services.patients import merge_patients
from labeling.datasets import selectors
from labeling.datasets.freezing import freeze_snapshot
from labeling.imports.services import upload_scan
from labeling.models import GroupSide, Snapshot, SnapshotMember
from labeling.reading.labels import label_scan
from labeling.reading.reviews import review_scan
from mediscan_site.core.errors import Conflict
from tests.conftest import scan_bytes


@pytest.fixture
def freeze(admin, project):
    return lambda seed=0: freeze_snapshot(actor=admin, project=project, seed=seed)


@pytest.fixture
def add(project, author, colleague):
    """An approved scan from bytes."""

    def put(data: bytes, *, label: str = "NORMAL", patient: str | None = None, split: str | None = None) -> Image:
        image, _ = upload_scan(
            actor=author,
            project=project,
            source=io.BytesIO(data),
            file_name="a.jpg",
            facts=ScanFacts(patient=patient),
            label_class=project.class_rows.get(name=label),
            split=split,
        )
        review_scan(actor=colleague, image=image, status="approved")
        image.refresh_from_db()
        return image

    return put


def copy_of(seed: int, quality: int = 60) -> bytes:
    buffer = io.BytesIO()
    Picture.open(io.BytesIO(scan_bytes(seed))).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def sides(snapshot: Snapshot) -> dict[int, str]:
    return dict(selectors.snapshot_members(snapshot).values_list("image", "split"))


def left_out(snapshot: Snapshot) -> dict[int, str]:
    return dict(selectors.snapshot_left_out(snapshot).values_list("image", "reason"))


def test_near_duplicates_stand_on_one_side_and_are_compared_before_the_freeze(approved_scans, add, freeze):
    approved_scans(12)
    pairs = [(add(scan_bytes(seed)), add(copy_of(seed))) for seed in range(500, 508)]
    snapshot = freeze()
    placed = sides(snapshot)
    assert all(placed[one.pk] == placed[other.pk] for one, other in pairs)
    assert NearDuplicate.objects.count() == len(pairs)
    groups = dict(SnapshotMember.objects.filter(snapshot=snapshot).values_list("image", "group"))
    assert all(groups[one.pk] == groups[other.pk] == f"scan:{one.pk}" for one, other in pairs)
    assert snapshot.grouping == "near_duplicate"


def test_a_later_copy_follows_the_scan_it_shows_and_the_patient_of_that(approved_scans, add, freeze):
    scans = approved_scans(16)
    before = sides(freeze())
    tested, trained = (next(scan for scan in scans if before[scan.pk] == side) for side in ("test", "train"))
    seeds = {scan.pk: 100 + number for number, scan in enumerate(scans)}
    labels = {scan.pk: scan.label_class.name for scan in scans}
    anonymous = add(_reencoded(tested, seeds), label=labels[tested.pk])
    contrary = add(_reencoded(trained, seeds), label=labels[trained.pk], split="test")
    approved_scans(2, first_seed=900)
    snapshot = freeze()
    assert sides(snapshot)[anonymous.pk] == "test"
    assert left_out(snapshot) == {contrary.pk: "group_on_other_side"}
    assert {pk: sides(snapshot)[pk] for pk in before} == before


def _reencoded(scan: Image, seeds: dict[int, int]) -> bytes:
    buffer = io.BytesIO()
    data = scan_bytes(seeds[scan.pk], opacity=scan.label_class.name == "OPACITY")  # type: ignore[union-attr]
    Picture.open(io.BytesIO(data)).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


def test_a_copy_that_joins_two_patients_of_two_sides_is_left_out(approved_scans, add, freeze):
    scans = approved_scans(16)
    before = sides(freeze())
    seeds = {scan.pk: 100 + number for number, scan in enumerate(scans)}
    tested, trained = (next(scan for scan in scans if before[scan.pk] == side) for side in ("test", "train"))
    joint = add(_reencoded(tested, seeds), label=tested.label_class.name, patient=trained.patient)
    approved_scans(2, first_seed=900)
    snapshot = freeze()
    assert left_out(snapshot) == {joint.pk: "joins_two_sides"}
    assert {pk: sides(snapshot)[pk] for pk in before} == before


def test_two_copies_of_a_scan_that_is_no_member_stay_together(approved_scans, add, author, freeze):
    approved_scans(12)
    first, middle, last = (add(data) for data in (copy_of(5), scan_bytes(5), copy_of(5, quality=40)))
    update_scan(actor=author, image=middle, changes={"use_for_training": False})
    duplicates.compare_project(first.project_id, budget_s=60)
    NearDuplicate.objects.filter(first=first, second=last).delete()
    placed = sides(freeze())
    assert middle.pk not in placed and placed[first.pk] == placed[last.pk]


def test_equal_pictures_with_different_labels_are_refused_with_the_list(approved_scans, add, author, freeze):
    approved_scans(12)
    data = scan_bytes(77)
    one = add(data)
    other = add(data[:2] + b"\xff\xfe\x00\x06copy" + data[2:], label="OPACITY")
    with pytest.raises(Conflict) as refused:
        freeze()
    assert refused.value.code == "contradictory_labels"
    assert f"{one.code} (NORMAL) and {other.code} (OPACITY)" in refused.value.detail
    assert not Snapshot.objects.exists() and not GroupSide.objects.exists()
    update_scan(actor=author, image=other, changes={"use_for_training": False})
    assert one.pk in sides(freeze())


def test_near_duplicates_may_be_labelled_differently_and_the_data_set_says_so(approved_scans, add, freeze):
    """Two exposures of one chest may differ in what matters; a person should look, and decides."""
    approved_scans(12)
    one, other = add(scan_bytes(77)), add(copy_of(77), label="OPACITY")
    (disagreement,) = selectors.disagreements(freeze())
    assert (disagreement.first.image_id, disagreement.second.image_id) == (one.pk, other.pk)
    assert {disagreement.first.label_class.name, disagreement.second.label_class.name} == {"NORMAL", "OPACITY"}


@pytest.mark.parametrize("source_is_tested", [True, False])
def test_merged_patients_keep_the_test_side_and_nobody_moves(approved_scans, admin, project, freeze, source_is_tested):
    scans = approved_scans(24)
    before = sides(freeze())
    tested = next(scan for scan in scans if before[scan.pk] == "test")
    trained = next(scan for scan in scans if before[scan.pk] == "train")
    source, target = (tested, trained) if source_is_tested else (trained, tested)
    merge_patients(actor=admin, project=project, source=source.patient, target=target.patient)
    after = freeze()
    assert left_out(after) == {trained.pk: "joins_two_sides"}
    assert sides(after) == {pk: side for pk, side in before.items() if pk != trained.pk}
    assert GroupSide.objects.get(group=f"patient:{target.patient}").side == "test"


def test_a_patient_found_out_late_draws_the_newcomers_to_the_side_it_has(
    approved_scans, make_scan, colleague, author, project, freeze
):
    approved_scans(12)
    unknown = make_scan(seed=1, label="NORMAL", split="val")
    review_scan(actor=colleague, image=unknown, status="approved")
    before = freeze()
    assert (before.grouping, sides(before)[unknown.pk]) == ("none", "val")
    update_scan(actor=author, image=unknown, changes={"patient": "late"})
    newcomer = make_scan(seed=2, label="NORMAL", patient="late")
    review_scan(actor=colleague, image=newcomer, status="approved")
    after = freeze()
    assert (after.grouping, sides(after)[newcomer.pk]) == ("patient", "val")


def test_held_scans_are_left_out_and_named(approved_scans, add, freeze):
    approved_scans(12)
    held = add(scan_bytes(1))
    Image.objects.filter(pk=held.pk).update(hold=Hold.TEXT)
    assert left_out(freeze()) == {held.pk: "held"}


def test_scans_that_are_still_to_be_compared_stop_the_freeze_for_a_while(approved_scans, freeze, monkeypatch):
    approved_scans(12)
    monkeypatch.setattr("labeling.datasets.freezing.COMPARE_S", -1)
    with pytest.raises(Conflict) as refused:
        freeze()
    assert (refused.value.code, "12 new scans" in refused.value.detail) == ("comparison_pending", True)


def test_a_patient_changed_meanwhile_starts_the_freeze_again(approved_scans, author, freeze, monkeypatch):
    from labeling.datasets.candidates import collect

    scans = approved_scans(16)
    frozen = []

    def meddle(*args):
        frozen.append(collect(*args))
        if len(frozen) == 1:
            update_scan(actor=author, image=scans[0], changes={"patient": scans[1].patient})
        return frozen[-1]

    monkeypatch.setattr("labeling.datasets.freezing.collect", meddle)
    placed = sides(freeze())
    assert len(frozen) == 2 and placed[scans[0].pk] == placed[scans[1].pk]


def test_an_equal_test_set_keeps_its_version_and_another_one_counts_up(
    make_snapshot, approved_scans, author, colleague, project, freeze
):
    first = make_snapshot(4)
    approved_scans(2, first_seed=8000, split="train")
    second = freeze()
    assert (first.test_version, second.test_version, first.test_hash == second.test_hash) == (1, 1, True)
    assert second.content_hash != first.content_hash
    approved_scans(1, first_seed=9000, split="test")
    third = freeze()
    assert (third.test_version, third.test_hash == first.test_hash) == (2, False)
    tested = selectors.snapshot_members(third, "test")[0]
    other = project.class_rows.exclude(pk=tested.label_class_id).get()
    label_scan(actor=author, image=tested.image, label_class=other)
    review_scan(actor=colleague, image=Image.objects.get(pk=tested.image_id), status="approved")
    assert freeze().test_version == 3


def test_a_data_set_of_before_gets_the_test_hash_that_it_would_get_today(make_snapshot):
    snapshot = make_snapshot(4)
    Snapshot.objects.update(test_hash="", test_version=7)
    import_module("labeling.migrations.0004_test_sets").number_test_sets(apps, None)
    renewed = Snapshot.objects.get(pk=snapshot.pk)
    assert (renewed.test_hash, renewed.test_version) == (snapshot.test_hash, 1)
