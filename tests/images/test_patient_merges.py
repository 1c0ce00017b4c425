"""Two patients turn out to be one person."""

import pytest

from images.facts import keyed
from images.models import Image, PatientIdentity, PatientMerge
from images.services import delete_scan, grant, update_scan
from images.services.patients import merge_patients
from mediscan_site.core.errors import Forbidden, Invalid
from mediscan_site.core.models import AuditEvent


@pytest.fixture
def merge(admin, project):
    def call(source: str, target: str) -> int:
        return merge_patients(actor=admin, project=project, source=source, target=target)

    return call


def test_all_scans_of_the_one_become_scans_of_the_other(make_scan, project, admin, merge):
    scans = [make_scan(seed=seed, patient=name) for seed, name in enumerate(("ann", "ann", "anne", "bob"))]
    assert merge("ann", "anne") == 2
    anne, bob = keyed(project.pk, "anne"), keyed(project.pk, "bob")
    assert [Image.objects.get(pk=scan.pk).patient for scan in scans] == [anne, anne, anne, bob]
    assert [Image.objects.get(pk=scan.pk).version - scan.version for scan in scans] == [1, 1, 0, 0]
    event = AuditEvent.objects.get(action="patient.merge")
    assert (event.actor_id, event.details["scans"], event.details["target"]) == (admin.pk, 2, anne)
    assert "ann" not in event.details.values()


def test_what_still_comes_in_under_the_old_id_is_kept_under_the_new_one(make_scan, project, author, merge):
    make_scan(seed=1, patient="ann"), make_scan(seed=2, patient="anne")
    old, new = keyed(project.pk, "ann"), keyed(project.pk, "anne")
    merge(old, "anne")
    assert make_scan(seed=3, patient="ann").patient == new
    assert make_scan(seed=4, patient=old).patient == new
    unknown = make_scan(seed=5)
    assert update_scan(actor=author, image=unknown, changes={"patient": "ann"}).patient == new


def test_merges_make_no_chains_and_can_be_turned_round(make_scan, project, merge):
    for seed, name in enumerate("abc"):
        make_scan(seed=seed, patient=name)
    merge("a", "b"), merge("b", "c")
    c = keyed(project.pk, "c")
    assert set(PatientMerge.objects.values_list("target", flat=True)) == {c}
    assert [make_scan(seed=10 + n, patient=name).patient for n, name in enumerate("abc")] == [c] * 3
    make_scan(seed=20, patient="d")
    merge("c", "d")
    assert {scan.patient for scan in Image.objects.all()} == {keyed(project.pk, "d")}
    assert make_scan(seed=30, patient="a").patient == keyed(project.pk, "d")


def test_who_is_unknown_or_the_same_is_refused_and_nothing_changes(make_scan, merge):
    make_scan(seed=1, patient="ann")
    for source, target, attr, code in (
        ("nobody", "ann", "source", "does_not_exist"),
        ("ann", "nobody", "target", "does_not_exist"),
        ("ann", "", "target", "does_not_exist"),
        ("ann", "ann", "target", "same_patient"),
    ):
        with pytest.raises(Invalid) as refused:
            merge(source, target)
        assert (refused.value.attr, refused.value.code) == (attr, code)
    assert not PatientMerge.objects.exists() and not AuditEvent.objects.filter(action="patient.merge").exists()


def test_merging_needs_the_right_to_manage_the_project(make_scan, project, author, admin):
    make_scan(seed=1, patient="ann"), make_scan(seed=2, patient="anne")
    with pytest.raises(Forbidden):
        merge_patients(actor=author, project=project, source="ann", target="anne")
    grant(actor=admin, project=project, user=author, codename="manage_project")
    old, new = keyed(project.pk, "ann"), keyed(project.pk, "anne")
    assert merge_patients(actor=author, project=project, source=old, target=new) == 1


def test_the_person_stays_one_when_all_scans_were_erased_and_new_ones_come(make_scan, project, admin, merge):
    """As their side in data sets stays: what comes back must not land on another one. Only pseudonyms are kept."""
    scans = [make_scan(seed=1, patient="ann"), make_scan(seed=2, patient="anne")]
    merge("ann", "anne")
    assert not PatientIdentity.objects.filter(pseudonym=keyed(project.pk, "ann")).exists()
    for scan in scans:
        delete_scan(actor=admin, image=Image.objects.get(pk=scan.pk))
    assert not PatientIdentity.objects.exists()
    assert make_scan(seed=3, patient="ann").patient == keyed(project.pk, "anne")


def test_lists_find_the_person_under_both_ids(make_scan, project, admin, merge, api):
    make_scan(seed=1, patient="ann"), make_scan(seed=2, patient="anne"), make_scan(seed=3, patient="bob")
    merge("ann", "anne")
    for value in ("ann", "anne", keyed(project.pk, "ann"), keyed(project.pk, "anne")):
        assert len(api(admin).get("/api/v1/images/", {"patient": value}).json()["results"]) == 2, value
