"""Studies of several patients are noted by whoever makes one, through every door, and are over as soon as they are corrected."""

import io
import zipfile
from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from images import mixed_studies
from images.models import Image, MixedStudy, Project
from images.services import ScanFacts, delete_scan, store_scan, update_scan
from images.services.patients import merge_patients
from images.tasks import check_studies
from labeling.imports import worker
from labeling.imports.services import start_import
from mediscan_site.core import tidy
from tests.conftest import scan_bytes
from tests.images.test_exams import file

STUDY, OTHER = "ST" + "M" * 16, "ST" + "N" * 16
pytestmark = pytest.mark.django_db


def noted() -> list[str]:
    return list(MixedStudy.objects.order_by("study").values_list("study", flat=True))


@pytest.fixture
def take(project, author):
    def make(data: bytes, **facts) -> Image:
        source = io.BytesIO(data)
        return store_scan(actor=author, project=project, source=source, file_name="a.dcm", facts=ScanFacts(**facts))[0]

    return make


@pytest.fixture
def two(make_scan) -> list[Image]:
    """Scans of one study and of two patients."""
    return [make_scan(seed=seed, patient=name, study=STUDY) for seed, name in enumerate(("ann", "bob"))]


def test_an_upload_of_a_second_patient_is_noted_and_nothing_else_is(take, make_scan, project):
    first = take(file(1))
    take(file(2)), take(file(3, PatientID="", IssuerOfPatientID="")), make_scan(seed=1, patient="bob")
    take(file(4, StudyInstanceUID="1.2.3.4.5", PatientID="PAT-8"))
    assert noted() == []
    take(file(5, PatientID="PAT-8"))
    assert noted() == mixed_studies.known(project) == mixed_studies.counted(project) == [first.study]
    take(file(6, PatientID="PAT-9"))
    assert noted() == [first.study]


def test_the_same_study_of_another_project_is_another_study(make_scan, admin, author):
    make_scan(seed=1, patient="ann", study=STUDY)
    other = Project.objects.create(name="Other", modality="X-ray", created_by=admin)
    facts = ScanFacts(patient="bob", study=STUDY)
    store_scan(actor=admin, project=other, source=io.BytesIO(scan_bytes(2)), file_name="b.jpg", facts=facts)
    assert noted() == []


def test_an_import_that_brings_both_patients_at_once_is_noted(project, author):
    lines = ["image_id,label,patient,study"]
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        for number, (patient, study) in enumerate((("ann", STUDY), ("bob", STUDY), ("bob", OTHER))):
            archive.writestr(f"{number}.jpg", scan_bytes(number))
            lines.append(f"{number}.jpg,NORMAL,{patient},{study}")
        archive.writestr("labels.csv", "\n".join(lines))
    packed.seek(0)
    batch = start_import(actor=author, project=project, source=packed, file_name="many.zip")
    worker.run(batch.pk)
    assert Image.objects.filter(project=project).count() == 3 and noted() == [STUDY]


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        ({"patient": "ann", "study": STUDY}, {"patient": "bob"}),
        ({"study": STUDY}, {"patient": "bob"}),
        ({"patient": "bob", "study": OTHER}, {"study": STUDY}),
        ({"patient": "ann", "study": OTHER}, {"patient": "bob", "study": STUDY}),
    ],
)
def test_a_change_of_a_patient_or_a_study_is_noted(before, changes, make_scan, author):
    make_scan(seed=1, patient="ann", study=STUDY)
    image = make_scan(seed=2, **before)
    assert noted() == []
    update_scan(actor=author, image=image, changes=changes)
    assert noted() == [STUDY]


def test_a_study_that_is_found_in_files_later_is_noted(take, project, admin):
    first = take(file(1))
    take(file(2, PatientID="PAT-8"))
    Image.objects.update(study=None)
    MixedStudy.objects.all().delete()
    call_command("find_studies", str(project.pk))
    assert noted() == [first.study]


def test_a_change_that_is_undone_notes_nothing(make_scan, author, monkeypatch):
    make_scan(seed=1, patient="ann", study=STUDY)
    image = make_scan(seed=2, patient="bob", study=OTHER)

    def fails(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr("images.services.edit.audit.record", fails)
    with pytest.raises(RuntimeError):
        update_scan(actor=author, image=image, changes={"study": STUDY})
    assert noted() == []


@pytest.mark.parametrize("how", ["merged", "corrected", "without a study", "erased"])
def test_what_was_put_right_is_over_at_once_and_forgotten_by_housekeeping(how, two, project, author, admin):
    first, second = two
    assert mixed_studies.known(project) == [STUDY]
    if how == "merged":
        merge_patients(actor=admin, project=project, source=second.patient, target=first.patient)
    elif how == "corrected":
        update_scan(actor=author, image=second, changes={"patient": first.patient})
    elif how == "without a study":
        update_scan(actor=author, image=second, changes={"study": ""})
    else:
        delete_scan(actor=admin, image=second)
    assert mixed_studies.known(project) == []
    # The code of a study does not wait for housekeeping when a scan is erased.
    assert noted() == ([] if how == "erased" else [STUDY])
    tidy.run()
    assert noted() == []


def test_housekeeping_and_erasure_keep_what_still_holds(two, make_scan, project, admin):
    third = make_scan(seed=9, patient="carol", study=STUDY)
    tidy.run()
    delete_scan(actor=admin, image=third)
    assert noted() == mixed_studies.known(project) == [STUDY]


def test_what_two_uploads_of_one_moment_missed_is_found_at_night_and_told_once(two, project, caplog):
    MixedStudy.objects.all().delete()
    assert mixed_studies.known(project) == []
    check_studies(0)
    assert noted() == [STUDY] and "1 studies of several patients that were missed" in caplog.text
    caplog.clear()
    check_studies(0)
    assert caplog.text == ""


def test_studies_from_before_are_noted_by_the_migration(two, make_scan, project):
    make_scan(seed=3, patient="ann", study=OTHER), make_scan(seed=4, study=STUDY)
    note = import_module("images.migrations.0022_note_mixed_studies").note_mixed_studies
    for _ in range(2):
        note(apps, None)
        assert noted() == [STUDY]
    MixedStudy.objects.all().delete()
    note(apps, None)
    assert noted() == [STUDY]


def test_a_scan_without_a_study_or_a_patient_asks_nothing_more(make_scan):
    with CaptureQueriesContext(connection) as asked:
        make_scan(seed=1, patient="ann")
        make_scan(seed=2, study=STUDY)
    assert not [query for query in asked if "images_mixedstudy" in query["sql"]]
