"""Data sets keep a study on one side, say what they are grouped by, and say when all scans are of one patient."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from images import mixed_studies
from images.models import Image, MixedStudy, NearDuplicate
from images.services.patients import merge_patients
from labeling.datasets import selectors
from labeling.datasets.freezing import freeze_snapshot
from labeling.datasets.persons import all_studies_of_several, lookalikes, studies_of_several
from mediscan_site.core.errors import Conflict


@pytest.fixture
def of_studies(approved_scans):
    """So many approved scans without a patient, two of each study."""

    def make(count: int) -> list[Image]:
        scans = approved_scans(count)
        for place, scan in enumerate(scans):
            Image.objects.filter(pk=scan.pk).update(patient=None, study=f"ST{place // 2:016d}")
        return scans

    return make


def test_without_patients_a_study_stays_on_one_side(of_studies, admin, project):
    scans = of_studies(16)
    snapshot = freeze_snapshot(actor=admin, project=project)
    sides = dict(selectors.snapshot_members(snapshot).values_list("image", "split"))
    pairs = [{sides[one.pk], sides[other.pk]} for one, other in zip(scans[::2], scans[1::2], strict=True)]
    assert [len(pair) for pair in pairs] == [1] * 8
    assert (snapshot.grouping, snapshot.grouped_by["study"]) == ("study", 16)
    groups = set(selectors.snapshot_members(snapshot).values_list("group", flat=True))
    assert len(groups) == 8 and all(group.startswith("study:") for group in groups)


def test_one_scan_of_nobody_and_it_is_no_split_by_patient(approved_scans, admin, project):
    scans = approved_scans(12)
    Image.objects.filter(pk=scans[0].pk).update(patient=None)
    snapshot = freeze_snapshot(actor=admin, project=project)
    assert snapshot.grouping == "none"
    assert snapshot.grouped_by == {"patient": 11, "study": 0, "near_duplicate": 0, "none": 1}


def test_two_patients_of_one_study_stay_on_one_side(approved_scans, admin, project, api):
    scans = approved_scans(12)
    Image.objects.filter(pk__in=[scan.pk for scan in scans[:4]]).update(study="ST" + "A" * 16)
    snapshot = freeze_snapshot(actor=admin, project=project)
    members = selectors.snapshot_members(snapshot).filter(image__in=scans[:4])
    assert len(set(members.values_list("split", flat=True))) == 1
    body = api(admin).get(f"/api/v1/datasets/{snapshot.pk}/").json()
    assert (body["grouping"], body["grouped_by"]["patient"]) == ("patient", 12)


def test_patients_who_meet_in_a_study_stay_on_one_side_with_all_their_scans(
    approved_scans, admin, project, api, client
):
    scans = approved_scans(16)
    patients = [letter * 16 for letter in "ABCDEFGH"]
    for place, scan in enumerate(scans):
        Image.objects.filter(pk=scan.pk).update(patient=f"P{patients[place // 2]}", study=f"ST{place:016d}")
    # A and B meet in one study, B and C in another one; of each, one scan alone, and nobody has approved it.
    for place, letter, study in ((0, "A", "1"), (2, "B", "1"), (3, "B", "2"), (4, "C", "2")):
        scan = scans[place]
        Image.objects.filter(pk=scan.pk).update(
            patient=f"P{letter * 16}", study=f"ST{study * 16}", approval_status="pending"
        )
    mixed_studies.check()
    snapshot = freeze_snapshot(actor=admin, project=project)
    sides = dict(selectors.snapshot_members(snapshot).values_list("image__patient", "split"))
    assert len({sides[f"P{letter * 16}"] for letter in "AC"}) == 1 and set(sides.values()) == {"train", "val", "test"}
    body = api(admin).get(f"/api/v1/datasets/{snapshot.pk}/").json()
    assert body["doubtful_studies"] == [
        {"study": f"ST{number * 16}", "patients": [f"P{one * 16}" for one in pair]}
        for number, pair in (("1", "AB"), ("2", "BC"))
    ]
    client.force_login(admin)
    page = client.get(f"/datasets/{snapshot.pk}/").content.decode()
    assert "Studies of several patients" in page and f"ST{'1' * 16}" in page


def test_a_newcomer_follows_whoever_met_its_patient_in_a_study(approved_scans, admin, project):
    scans = approved_scans(17)
    Image.objects.filter(pk=scans[16].pk).update(approval_status="pending", patient="P" + "N" * 16)
    sides = dict(
        selectors.snapshot_members(freeze_snapshot(actor=admin, project=project)).values_list("image", "split")
    )
    known = next(scan for scan in scans if sides.get(scan.pk) == "test")
    Image.objects.filter(pk=known.pk).update(study="ST" + "N" * 16)
    Image.objects.filter(pk=scans[15].pk).update(
        study="ST" + "N" * 16, patient="P" + "N" * 16, approval_status="pending"
    )
    Image.objects.filter(pk=scans[16].pk).update(approval_status="approved")
    snapshot = freeze_snapshot(actor=admin, project=project)
    assert selectors.snapshot_members(snapshot).get(image=scans[16]).split == "test"


def test_a_newcomer_whose_study_joins_patients_of_two_sides_is_left_out(approved_scans, admin, project):
    scans = approved_scans(18)
    Image.objects.filter(pk__in=[scans[16].pk, scans[17].pk]).update(approval_status="pending")
    first = freeze_snapshot(actor=admin, project=project)
    sides = dict(selectors.snapshot_members(first).values_list("image", "split"))
    train, test = (next(scan for scan in scans if sides.get(scan.pk) == side) for side in ("train", "test"))
    Image.objects.filter(pk=test.pk).update(study="ST" + "N" * 16)
    train.refresh_from_db()
    Image.objects.filter(pk=scans[16].pk).update(
        approval_status="approved", patient=train.patient, study="ST" + "N" * 16
    )
    Image.objects.filter(pk=scans[17].pk).update(approval_status="approved")
    second = freeze_snapshot(actor=admin, project=project)
    assert dict(selectors.snapshot_left_out(second).values_list("image", "reason")) == {scans[16].pk: "joins_two_sides"}
    assert dict(selectors.snapshot_members(second).values_list("image", "split")).items() > sides.items()


def test_patients_that_were_merged_are_no_doubt(approved_scans, admin, project):
    scans = approved_scans(12)
    for scan, letter in zip(scans[:2], "AB", strict=True):
        Image.objects.filter(pk=scan.pk).update(study="ST" + "M" * 16, patient=f"P{letter * 16}")
    mixed_studies.check()
    named = {"ST" + "M" * 16: ["P" + "A" * 16, "P" + "B" * 16]}
    assert studies_of_several(project) == all_studies_of_several(project) == named
    merge_patients(actor=admin, project=project, source="P" + "A" * 16, target="P" + "B" * 16)
    assert studies_of_several(project) == all_studies_of_several(project) == {}
    # An upload that was under way during the merge still carries the old pseudonym.
    Image.objects.filter(pk=scans[0].pk).update(patient="P" + "A" * 16)
    assert mixed_studies.known(project) and studies_of_several(project) == all_studies_of_several(project) == {}


def test_a_data_set_keeps_together_also_what_nobody_noted(approved_scans, admin, project):
    scans = approved_scans(12)
    patients = [scan.patient for scan in scans[:2]]
    Image.objects.filter(pk__in=[scan.pk for scan in scans[:2]]).update(study="ST" + "A" * 16)
    assert not MixedStudy.objects.exists() and studies_of_several(project) == {}
    assert all_studies_of_several(project) == {"ST" + "A" * 16: sorted(map(str, patients))}
    snapshot = freeze_snapshot(actor=admin, project=project)
    sides = selectors.snapshot_members(snapshot).filter(image__patient__in=patients).values_list("split", flat=True)
    assert len(sides) == 2 and len(set(sides)) == 1


def test_lookalikes_are_read_without_the_other_scans(approved_scans, project):
    scans = approved_scans(12)
    NearDuplicate.objects.create(project=project, first=scans[0], second=scans[1], distance=3, correlation=0.999)
    with CaptureQueriesContext(connection) as queries:
        found = lookalikes(project)
    assert set(found) == {scans[0].pk, scans[1].pk} and scans[1].pk in found[scans[0].pk]
    assert all("IN (" in query["sql"] for query in queries if '"images_image"."patient"' in query["sql"])


@pytest.mark.parametrize("column", ["patient", "study"])
def test_when_all_scans_are_of_one_patient_it_is_said(approved_scans, admin, project, column):
    approved_scans(12)
    Image.objects.filter(project=project).update(**{"patient": None, column: "P" + "A" * 16})
    with pytest.raises(Conflict, match=rf"All 12 approved scans are of one {column}") as refused:
        freeze_snapshot(actor=admin, project=project)
    assert refused.value.code == "not_enough_data"
    assert "Correct the patients" in refused.value.detail and "approve more" not in refused.value.detail


def test_when_a_class_has_too_few_patients_it_is_said(approved_scans, admin, project):
    approved_scans(16)
    normal = Image.objects.filter(label_class__name="NORMAL")
    normal.update(patient="P" + "A" * 16)
    with pytest.raises(Conflict, match="the 8 scans of NORMAL are of 1") as refused:
        freeze_snapshot(actor=admin, project=project)
    assert "approve more" not in refused.value.detail


def test_where_scans_are_few_more_of_them_help(approved_scans, admin, project):
    approved_scans(3)
    with pytest.raises(Conflict, match="Label and approve more scans"):
        freeze_snapshot(actor=admin, project=project)
