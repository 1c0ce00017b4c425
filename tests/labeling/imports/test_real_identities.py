"""Data sets as hospitals and archives make them: whose scans they are, and what of them is no picture."""

import pytest

from images.models import Image
from labeling.datasets import selectors as datasets
from labeling.datasets.freezing import freeze_snapshot
from labeling.imports import selectors, worker
from labeling.imports.services import start_folder_import, start_import, upload_scan
from labeling.models import ImportFile
from labeling.reading.reviews import review_scan
from mediscan_site.core.errors import Conflict


@pytest.fixture
def reported(shared_data):
    folder = shared_data / "reported"
    if not folder.is_dir():
        pytest.skip("no folder `reported` among the shared files")
    return folder


@pytest.fixture
def bring(author, project):
    def run(path, into=None):
        with path.open("rb") as source:
            batch = start_import(actor=author, project=into or project, source=source, file_name=path.name)
        worker.run(batch.pk)
        return selectors.imports(author).get(pk=batch.pk)

    return run


@pytest.fixture
def two_classes(admin, author, colleague):
    from images.services import add_member, create_project

    made = create_project(actor=admin, name="A and B", classes=["A", "B"])
    for user in (author, colleague):
        add_member(actor=admin, project=made, user=user)
    return made


def approve(actor, project) -> None:
    for image in Image.objects.filter(project=project):
        review_scan(actor=actor, image=image, status="approved")


def test_the_views_of_a_study_stay_together_without_a_patient(reported, bring, two_classes, colleague, admin):
    assert bring(reported / "B03_two_views_no_patientid.zip", two_classes).created == 32
    approve(colleague, two_classes)
    snapshot = freeze_snapshot(actor=admin, project=two_classes)
    members = datasets.snapshot_members(snapshot).values_list("image__file_name", "split")
    studies: dict[str, set[str]] = {}
    for name, side in members:
        studies.setdefault(name.partition("v")[0], set()).add(side)
    assert len(studies) == 16 and {len(sides) for sides in studies.values()} == {1}
    assert snapshot.grouping == "study"


def test_zeros_that_a_spreadsheet_dropped_are_named_and_one_person_is_kept(reported, bring, author, project):
    from images.services import ScanFacts

    batch = bring(reported / "B05_csv_lost_zeros.zip")
    warnings = ImportFile.objects.filter(batch=batch.pk, outcome="warning")
    assert [(line.path, line.code) for line in warnings] == [("a.dcm", "patient_conflict")]
    with (reported / "B05_second_scan_same_patient.dcm").open("rb") as source:
        upload_scan(actor=author, project=project, source=source, file_name="b.dcm", facts=ScanFacts())
    assert len(set(Image.objects.values_list("patient", flat=True))) == 1


def test_only_pictures_of_a_study_come_in(reported, bring):
    batch = bring(reported / "B24_study_with_seg_rtdose.zip")
    lines = dict(ImportFile.objects.filter(batch=batch.pk, outcome="rejected").values_list("path", "code"))
    assert lines == dict.fromkeys(("seg.dcm", "dose.dcm", "doc.dcm", "sr.dcm"), "no_picture")
    assert sorted(Image.objects.values_list("file_name", flat=True)) == ["a.dcm", "loc.dcm"]


def test_a_set_of_one_patient_id_says_so(reported, bring, two_classes, colleague, admin):
    bring(reported / "B30_all_patientid_ANONYMIZED.zip", two_classes)
    approve(colleague, two_classes)
    with pytest.raises(Conflict, match="All 24 approved scans are of one patient"):
        freeze_snapshot(actor=admin, project=two_classes)


def test_what_is_no_picture_is_named_in_the_report(shared_data, author, project, tmp_path):
    names = [
        "rtdose_rle.dcm",
        "seg_image_sm_control_labelmap_palette_color.dcm",
        "sm_annotations.dcm",
        "sr_document.dcm",
    ]
    for name in names:
        path = shared_data / "dicom_more" / name
        if not path.exists():
            pytest.skip("no folder `dicom_more` among the shared files")
        (tmp_path / name).write_bytes(path.read_bytes())
    batch = start_folder_import(actor=author, project=project, folder=tmp_path)
    worker.run(batch.pk)
    lines = dict(ImportFile.objects.filter(batch=batch).values_list("path", "detail"))
    words = ["a dose distribution", "a segmentation", "annotations of a picture", "a structured report"]
    found = [next(detail for path, detail in lines.items() if path.endswith(name)) for name in names]
    assert all(word in detail for word, detail in zip(words, found, strict=True))
