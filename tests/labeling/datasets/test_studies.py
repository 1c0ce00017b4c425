"""Data sets keep a study on one side, say what they are grouped by, and say when all scans are of one patient."""

import pytest

from images.models import Image
from labeling.datasets import selectors
from labeling.datasets.freezing import freeze_snapshot
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
