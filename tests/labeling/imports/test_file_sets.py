"""CDs and ZIPs of picture archives: DICOM files wherever they lie, whatever they are called, and nothing else for a mistake."""

import pytest

from images.models import Image
from images.services import add_member, create_project
from labeling.imports import selectors, worker
from labeling.imports.services import start_import
from labeling.models import Import, ImportFile, Label
from tests.conftest import scan_bytes
from tests.labeling.imports.sets import cd, dicom, directory, packed

NORMAL, OPACITY = scan_bytes(1), scan_bytes(2, opacity=True)


def bring(actor, project, files: dict[str, bytes]) -> Import:
    batch = start_import(actor=actor, project=project, source=packed(files), file_name="many.zip")
    worker.run(batch.pk)
    return selectors.imports(actor).get(pk=batch.pk)


def problems(batch: Import) -> dict[str, str]:
    return dict(selectors.import_errors(batch).values_list("path", "code"))


def labels(**more) -> dict[str, str | None]:
    """File name to class of what came in."""
    return dict(Image.objects.filter(**more).values_list("file_name", "label_class__name"))


def test_a_patients_cd_comes_in_and_what_lies_beside_is_counted(author, project):
    batch = bring(author, project, cd())
    assert (batch.status, batch.total, batch.created, batch.rejected) == ("succeeded", 3, 3, 0)
    assert labels() == {"IM000001": None, "IM000002": None, "I0001.IMA": None}
    assert problems(batch) == {}
    passed = ImportFile.objects.filter(batch=batch, outcome="passed_over")
    assert dict(passed.values_list("path", "code")) == {
        "CD/DICOMDIR": "index",
        "CD/AUTORUN.INF": "program",
        "CD/VIEWER/viewer.exe": "program",
        "CD/VIEWER/lib/viewer.jar": "program",
        "CD/VIEWER/logo.png": "preview",
        "CD/VIEWER/LOCKFILE": "other",
        "CD/INDEX.HTM": "document",
        "CD/report.pdf": "document",
        "CD/study.xml": "data",
        "CD/MD5SUMS": "checksum",
    }
    assert batch.passed_over == 10


@pytest.mark.parametrize(
    "paths",
    [
        ["P1 TEST/20240301 Chest/CR PA/CR000000.dcm", "P1 TEST/20240301 Chest/CR PA/CR000001.dcm"],  # Orthanc, archive
        ["IMAGES/IM0", "IMAGES/IM1"],  # Orthanc, media
        [
            "SESS/scans/1-CXR/resources/DICOM/files/1.2.3.1.dcm",
            "SESS/scans/2-CXR/resources/DICOM/files/1.2.3.dcm",
        ],  # XNAT
        ["DICOM/5A6B7C8D/00000001/0000A1B2", "DICOM/5A6B7C8D/00000002/0000A1B3"],  # dcm4chee
        ["Roe^Jane/Study 1 (CT)/Series 1/1.2.840.113619.2.1", "Roe^Jane/Study 1 (CT)/Series 2/1.2.840.113619.2.2"],
        ["test/20240101/1", "test/20240101/2"],  # a patient called like a side
        ["1/IM.1", "2/IM.2"],
        ["a.exe", "b.txt"],  # whatever they are called
        ["DICOMDIR;1/IM1.;1", "DICOMDIR;1/IM2.;1"],
    ],
)
def test_dicom_files_come_in_wherever_they_lie_and_whatever_they_are_called(paths, author, project):
    batch = bring(author, project, {path: dicom(number) for number, path in enumerate(paths)})
    assert (batch.total, batch.created, problems(batch)) == (2, 2, {})
    assert set(Image.objects.values_list("label_class", "split")) == {(None, None)}


def test_snapshots_and_reports_of_an_archive_are_passed_over(author, project):
    base = "SESS/scans/1-CXR/resources"
    files = {
        f"{base}/DICOM/files/1.dcm": dicom(1),
        f"{base}/SNAPSHOTS/files/1_t.gif": b"GIF89a",
        f"{base}/x.xml": b"<x/>",
    }
    batch = bring(author, project, files)
    assert (batch.created, batch.passed_over, problems(batch)) == (1, 2, {})


def test_the_index_under_another_name_is_known_by_its_content(author, project):
    batch = bring(author, project, {"PAT/1.dcm": dicom(1), "PAT/2.dcm": directory(), "dicomdir.;1": directory()})
    assert (batch.created, batch.passed_over, problems(batch)) == (1, 2, {})


def test_class_folders_label_dicom_files_too(author, project):
    files = {
        "data/train/NORMAL/PAT1/STU1/IM1": dicom(1),
        "data/Valid/OPACITY/x.dcm": dicom(2),
        "data/others/x/y.dcm": dicom(3),
    }
    batch = bring(author, project, files)
    assert problems(batch) == {}
    note = ImportFile.objects.get(batch=batch, outcome="note")
    assert (note.path, note.code) == ("data/others/x/", "folder_without_class")
    assert labels() == {"IM1": "NORMAL", "x.dcm": "OPACITY", "y.dcm": None}
    assert set(Image.objects.values_list("split", flat=True)) == {"train", "val", None}


def test_a_series_that_is_called_like_a_class_is_no_class(author, admin):
    numbers = create_project(actor=admin, name="Birads", classes=["1", "2", "3"])
    add_member(actor=admin, project=numbers, user=author)
    batch = bring(author, numbers, {"PAT/STU/1/IM1": dicom(1), "PAT/STU/2/IM1": dicom(2), "3/a.jpg": NORMAL})
    assert (batch.created, problems(batch)) == (3, {})
    assert sorted(map(str, Image.objects.values_list("label_class__name", flat=True))) == ["3", "None", "None"]


@pytest.mark.parametrize("name", ["normal/x.dcm", "train/Normal/x.dcm", "normal/x.jpg"])
def test_a_folder_that_is_nearly_a_class_is_refused_with_the_remedy(name, author, project):
    data = NORMAL if name.endswith("jpg") else dicom(1)
    batch = bring(author, project, {name: data, "OPACITY/b.jpg": OPACITY})
    assert problems(batch) == {name: "unknown_class"}
    assert "Rename the folder" in selectors.import_errors(batch).get().detail


def test_two_class_folders_in_one_path_are_refused_by_name(author, project):
    batch = bring(
        author, project, {"NORMAL/x/OPACITY/a.jpg": NORMAL, "NORMAL/x/OPACITY/a.dcm": dicom(1), "b.jpg": OPACITY}
    )
    assert set(problems(batch).values()) == {"contradictory_folders"}
    assert labels() == {"b.jpg": None}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"NORMAL/a.jpg": NORMAL, "OPACITY/b.jpg": NORMAL}, {"NORMAL/a.jpg", "OPACITY/b.jpg"}),
        ({"a.jpg": NORMAL, "b.jpg": NORMAL, "labels.csv": b"image_id,label\na.jpg,NORMAL\nb.jpg,OPACITY\n"}, {"a.jpg", "b.jpg"}),
        ({"NORMAL/a.jpg": NORMAL, "b.jpg": NORMAL, "labels.csv": b"image_id,label\nb.jpg,OPACITY\n"}, {"NORMAL/a.jpg", "b.jpg"}),
        ({"NORMAL/a.dcm": dicom(1), "OPACITY/x/b": dicom(1)}, {"NORMAL/a.dcm", "OPACITY/x/b"}),
    ],
)  # fmt: skip
def test_one_picture_under_two_classes_has_none_and_both_are_named(files, expected, author, project):
    batch = bring(author, project, files)
    assert (batch.created, batch.duplicates) == (1, 1)
    scan = Image.objects.get()
    assert (scan.label_class, scan.label_status, Label.objects.count()) == (None, "unlabeled", 0)
    lines = selectors.import_errors(batch).filter(code="contradictory_class")
    assert set(lines.values_list("path", flat=True)) == expected
    assert all(name in line.detail for line in lines for name in ("NORMAL", "OPACITY"))


def test_one_picture_three_times_under_one_class_keeps_it(author, project):
    batch = bring(author, project, {"NORMAL/a.jpg": NORMAL, "NORMAL/b.jpg": NORMAL, "c.jpg": NORMAL})
    assert (batch.created, batch.duplicates, problems(batch)) == (1, 2, {})
    assert set(labels().values()) == {"NORMAL"}


def test_files_that_only_seem_equal_keep_their_classes(author, project, monkeypatch):
    from labeling.imports.archive import Entry

    monkeypatch.setattr(Entry, "checksum", 7)
    monkeypatch.setattr(Entry, "size", 7)
    batch = bring(author, project, {"NORMAL/a.jpg": NORMAL, "OPACITY/b.jpg": OPACITY})
    assert problems(batch) == {}
    assert labels() == {"a.jpg": "NORMAL", "b.jpg": "OPACITY"}


def test_a_side_in_the_labels_file_beats_the_folder_and_says_so(author, project):
    rows = b"image_id,label,split\na.jpg,NORMAL,validation\n"
    batch = bring(author, project, {"train/NORMAL/a.jpg": NORMAL, "labels.csv": rows})
    assert problems(batch) == {"train/NORMAL/a.jpg": "split_conflict"}
    assert Image.objects.get().split == "val"


def test_files_named_by_rows_come_in_from_any_folder(author, project):
    rows = b"image_id,label\nchex/train/p1/study1/view1.png,NORMAL\n"
    batch = bring(author, project, {"chex/train/p1/study1/view1.png": NORMAL, "chex/train/p2/s/v.png": OPACITY,
                                    "labels.csv": rows})  # fmt: skip
    assert problems(batch) == {"chex/train/p2/s/v.png": "unexpected_folder"}
    assert (labels(), Image.objects.get().split) == ({"view1.png": "NORMAL"}, "train")


def test_the_code_page_of_names_is_said(author, admin):
    from tests.labeling.imports.test_zipnames import packed as raw

    korean = create_project(actor=admin, name="Chest", classes=["정상", "폐렴"])
    add_member(actor=admin, project=korean, user=author)
    source = raw(
        *[(f"{name}/{number}.jpg".encode("cp949"), scan_bytes(number)) for number, name in enumerate(("정상", "폐렴"))]
    )
    batch = start_import(actor=author, project=korean, source=source, file_name="many.zip")
    worker.run(batch.pk)
    assert labels() == {"0.jpg": "정상", "1.jpg": "폐렴"}
    line = ImportFile.objects.get(batch=batch, outcome="note")
    assert "cp949" in line.detail and line.path == "many.zip"


def test_names_that_nobody_can_read_are_refused_with_the_remedy_and_the_rest_comes_in(author, project):
    from tests.labeling.imports.test_zipnames import packed as raw

    source = raw(("정상/a.jpg".encode("cp949"), NORMAL), ("김철수/IM1".encode("cp949"), dicom(1)),
                 ("NORMAL/영상.jpg".encode("cp949"), OPACITY))  # fmt: skip
    batch = start_import(actor=author, project=project, source=source, file_name="many.zip")
    worker.run(batch.pk)
    line = selectors.import_errors(batch).get()
    assert line.code == "unreadable_name" and "7-Zip" in line.detail
    assert sorted(map(str, labels().values())) == ["NORMAL", "None"]
