"""Imports through the real worker side: what comes in, what is refused, and that a killed one resumes."""

import io
import json
import zipfile

import pytest

from images.models import Image
from images.services import delete_scan, retire_class, update_project
from images.services.meaning import Classes
from labeling.imports import selectors, worker
from labeling.imports.services import start_import
from labeling.imports.understanding import understand
from labeling.models import Import, ImportFile, Label
from labeling.reading.reviews import review_many
from mediscan_site.core.errors import Conflict, Forbidden, Invalid, TooLarge
from mediscan_site.core.models import AuditEvent, Blob
from mediscan_site.core.storage import blobs
from tests.conftest import scan_bytes
from tests.labeling.imports.sets import opened, packed

NORMAL, OPACITY = scan_bytes(1), scan_bytes(2, opacity=True)


def bring(actor, project, files: dict[str, bytes], *, run: bool = True) -> Import:
    """The import, worked off, with its counts."""
    batch = start_import(actor=actor, project=project, source=packed(files), file_name="many.zip")
    if run:
        worker.run(batch.pk)
    return selectors.imports(actor).get(pk=batch.pk)


def counts(batch: Import) -> tuple[int, int, int, int]:
    return batch.total, batch.created, batch.duplicates, batch.rejected  # type: ignore[attr-defined]


def problems(batch: Import) -> dict[str, str]:
    return dict(selectors.import_errors(batch).values_list("path", "code"))


def test_split_and_class_folders_become_splits_and_labels_of_the_importer(author, project):
    batch = bring(author, project, {"data/train/NORMAL/a.jpg": NORMAL, "data/test/OPACITY/b.jpg": OPACITY})
    assert (batch.status, batch.progress, counts(batch)) == ("succeeded", 1.0, (2, 2, 0, 0))
    scans = Image.objects.order_by("file_name")
    assert [(s.file_name, s.split, s.label_class.name, s.annotator, s.approval_status) for s in scans] == [
        ("a.jpg", "train", "NORMAL", author, "pending"),
        ("b.jpg", "test", "OPACITY", author, "pending"),
    ]
    assert set(Label.objects.values_list("source", flat=True)) == {"import"}


def test_the_labels_file_brings_labels_and_facts(author, project):
    rows = (
        "image_id,label,split,patient,external_id,age,sex,modality,pixel_spacing,capture_date\n"
        "a.jpg,1,val,p7,ext-1,61,F,CR,0.2,2024-05-01\n"
    )
    bring(author, project, {"a.jpg": NORMAL, "b.jpg": OPACITY, "labels.csv": rows.encode()})
    scan = Image.objects.get(file_name="a.jpg")
    assert (scan.label_class.name, scan.split, scan.external_id, scan.modality) == ("OPACITY", "val", "ext-1", "CR")
    assert (scan.metadata.age, scan.metadata.sex, scan.metadata.pixel_spacing) == (61, "F", 0.2)
    assert scan.patient.startswith("P") and scan.patient != "p7"
    other = Image.objects.get(file_name="b.jpg")
    assert (other.label_status, other.split, other.patient) == ("unlabeled", None, None)


@pytest.mark.parametrize("name", ["labels.json", "labels.yaml"])
def test_json_and_yaml_bring_labels_too(name, author, project):
    bring(author, project, {"set/a.jpg": NORMAL, f"set/{name}": json.dumps({"a.jpg": "NORMAL"}).encode()})
    assert Image.objects.get().label_class.name == "NORMAL"


def test_one_bad_file_never_fails_the_rest_and_each_is_named(author, project):
    batch = bring(
        author,
        project,
        {
            "NORMAL/good.jpg": NORMAL,
            "NORMAL/text.jpg": b"this is no picture",
            "NORMAL/empty.jpg": b"",
            "NORMAL/cut.jpg": OPACITY[: len(OPACITY) // 2],
            "NORMAL/more.zip": packed({"x.jpg": NORMAL}).getvalue(),
            "ZEBRA/x.jpg": OPACITY,
            "../escape.jpg": OPACITY,
            "__MACOSX/NORMAL/._good.jpg": b"resource fork",
            "NORMAL/.DS_Store": b"junk",
            "Thumbs.db": b"junk",
        },
    )
    assert batch.status == "succeeded"
    found = problems(batch)
    assert set(found) == {
        "NORMAL/text.jpg", "NORMAL/empty.jpg", "NORMAL/cut.jpg", "NORMAL/more.zip", "ZEBRA/x.jpg", "../escape.jpg",
    }  # fmt: skip
    assert (found["NORMAL/more.zip"], found["ZEBRA/x.jpg"], found["../escape.jpg"]) == (
        "nested_archive", "unknown_class", "unsafe_path",
    )  # fmt: skip
    assert counts(batch) == (7, 1, 0, 6)
    assert [row.name for row in project.class_rows.all()] == ["NORMAL", "OPACITY"]
    assert Image.objects.count() == 1


def test_rows_that_are_wrong_are_named_and_a_bad_fact_is_left_empty(author, project):
    rows = "image_id,label,age\na.jpg,ZEBRA,\nb.jpg,NORMAL,250\nmissing.jpg,NORMAL,\n"
    batch = bring(author, project, {"a.jpg": NORMAL, "b.jpg": OPACITY, "labels.csv": rows.encode()})
    found = problems(batch)
    assert found == {
        "a.jpg": "unknown_class",
        "b.jpg": "unreadable_value",
        "labels.csv, row 3: missing.jpg": "unknown_image",
    }
    scan = Image.objects.get()
    assert (scan.file_name, scan.label_class.name, scan.metadata.age) == ("b.jpg", "NORMAL", None)


def test_a_labels_file_that_cannot_be_read_is_named_and_the_scans_come_in(author, project):
    batch = bring(author, project, {"a.jpg": NORMAL, "labels.csv": b"\xff\xfe\x00"})
    assert problems(batch) == {"labels.csv": "invalid_labels_file"}
    assert Image.objects.get().label_status == "unlabeled"


def test_where_the_labels_file_contradicts_the_folder_neither_counts(author, project):
    batch = bring(author, project, {"NORMAL/a.jpg": NORMAL, "labels.csv": b"image_id,label\na.jpg,OPACITY\n"})
    assert problems(batch) == {"NORMAL/a.jpg": "folder_conflict"}
    assert (Image.objects.get().label_status, Label.objects.count()) == ("unlabeled", 0)


def test_an_existing_label_wins_and_the_conflict_is_reported(author, colleague, project):
    bring(author, project, {"NORMAL/a.jpg": NORMAL})
    batch = bring(colleague, project, {"OPACITY/again.jpg": NORMAL, "OPACITY/b.jpg": OPACITY})
    assert counts(batch) == (2, 1, 1, 0)
    assert problems(batch) == {"OPACITY/again.jpg": "label_conflict"}
    scan = Image.objects.get(file_name="a.jpg")
    assert (scan.label_class.name, scan.annotator) == ("NORMAL", author)
    assert Label.objects.filter(image=scan).count() == 1


def test_a_scan_that_was_here_without_a_label_gets_the_imports(author, project):
    bring(author, project, {"a.jpg": NORMAL})
    batch = bring(author, project, {"NORMAL/a.jpg": NORMAL})
    assert (counts(batch), problems(batch)) == ((1, 0, 1, 0), {})
    assert Image.objects.get().label_class.name == "NORMAL"


def test_equal_bytes_twice_in_one_zip_are_one_scan(author, project):
    batch = bring(author, project, {"NORMAL/a.jpg": NORMAL, "NORMAL/b.jpg": NORMAL})
    assert counts(batch) == (2, 1, 1, 0)


def test_a_retired_class_is_refused(author, admin, project):
    update_project(actor=admin, project=project, changes={"classes": ["NORMAL", "OPACITY", "OLD"]})
    retire_class(actor=admin, project_class=project.class_rows.get(name="OLD"))
    assert problems(bring(author, project, {"OLD/a.jpg": NORMAL, "NORMAL/b.jpg": OPACITY})) == {
        "OLD/a.jpg": "retired_class"
    }


@pytest.mark.parametrize("data", [b"", b"no zip", NORMAL])
def test_what_is_no_zip_is_refused_at_once_and_leaves_nothing(data, author, project):
    with pytest.raises(Invalid) as refused:
        start_import(actor=author, project=project, source=io.BytesIO(data), file_name="x.zip")
    assert (refused.value.attr, refused.value.code) == ("file", "not_a_zip")
    assert not Import.objects.exists()


def test_an_empty_zip_and_a_huge_one_are_refused_at_once(author, project, settings):
    with pytest.raises(Invalid):
        start_import(actor=author, project=project, source=packed({}), file_name="x.zip")
    settings.MAX_IMPORT_BYTES = 50
    with pytest.raises(TooLarge):
        start_import(actor=author, project=project, source=packed({"a.jpg": NORMAL}), file_name="x.zip")
    assert not Blob.objects.exists()


def test_an_import_needs_the_right_to_upload_and_to_label(author, admin, project):
    from images.services import revoke

    revoke(actor=admin, project=project, user=author, codename="label_image")
    with pytest.raises(Forbidden):
        start_import(actor=author, project=project, source=packed({"a.jpg": NORMAL}), file_name="x.zip")


def test_the_zip_is_kept_encrypted_while_it_waits_and_destroyed_when_it_is_done(
    author, project, django_capture_on_commit_callbacks
):
    batch = bring(
        author, project, {"a.jpg": NORMAL, "labels.csv": b"image_id,label,patient\na.jpg,,Jane Roe\n"}, run=False
    )
    blob = batch.blob
    assert zipfile.is_zipfile(blobs.open_blob(blob))
    with django_capture_on_commit_callbacks(execute=True):
        worker.run(batch.pk)
    batch.refresh_from_db()
    blob.refresh_from_db()
    assert batch.blob is None
    assert (blob.wrapped_key, blob.erased_at is None) == (None, False)
    assert list(AuditEvent.objects.filter(object_type="import").order_by("id").values_list("action", flat=True)) == [
        "import.start",
        "import.finish",
    ]


def test_all_scans_of_an_import_can_be_reviewed_at_once(author, colleague, project):
    bring(author, project, {"NORMAL/old.jpg": scan_bytes(9)})
    batch = bring(
        author,
        project,
        {"NORMAL/a.jpg": NORMAL, "OPACITY/b.jpg": OPACITY, "NORMAL/old.jpg": scan_bytes(9), "c.txt": b"x"},
    )
    many = {"actor": colleague, "images": None, "batch": batch, "status": "approved"}
    for count, error in ((None, Invalid), (3, Conflict)):
        with pytest.raises(error):
            review_many(**many, expected_count=count)
    results = review_many(**many, expected_count=2)
    assert [result.ok for result in results] == [True, True]
    assert Image.objects.filter(approval_status="approved").count() == 2


def test_erasing_a_scan_takes_its_name_out_of_the_report(author, admin, project):
    batch = bring(author, project, {"Jane Roe.jpg": NORMAL})
    delete_scan(actor=admin, image=Image.objects.get())
    assert ImportFile.objects.get(batch=batch).path == "(erased)"


def test_real_scans_come_in_with_splits_and_labels(author, admin, shared_data):
    from images.services import add_member, create_project

    project = create_project(actor=admin, name="Real", classes=["NORMAL", "PNEUMONIA"])
    add_member(actor=admin, project=project, user=author)
    folder = shared_data / "dataset"
    paths = [path for kind in sorted(folder.glob("*/*")) for path in sorted(kind.iterdir())[::6]]
    names = {path.name for path in paths}
    rows = (folder / "labels.csv").read_text().splitlines(keepends=True)
    wanted = [row for number, row in enumerate(rows) if number == 0 or row.split(",")[0] in names]
    files = {str(path.relative_to(folder.parent)): path.read_bytes() for path in paths}
    batch = bring(author, project, {**files, "dataset/labels.csv": "".join(wanted).encode()})
    assert (counts(batch), problems(batch)) == ((40, 40, 0, 0), {})
    stored = Image.objects.filter(project=project)
    assert {(s.split, s.label_class.name) for s in stored.select_related("label_class")} == {
        (split, name) for split in ("train", "val", "test") for name in ("NORMAL", "PNEUMONIA")
    }


@pytest.mark.parametrize(("name", "classes"), [
    ("labels_index.csv", ["NORMAL", "PNEUMONIA"]),
    ("labels_3class.csv", ["NORMAL", "BACTERIA", "VIRUS"]),
    ("labels_meta.csv", ["NORMAL", "PNEUMONIA"]),
])  # fmt: skip
def test_the_labels_files_beside_real_scans_fit_them(name, classes, shared_data):
    folder = shared_data / "dataset"
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")]
    known = understand([("labels.csv", opened((shared_data / name).read_bytes()))], paths, Classes(classes))
    assert all(stated.label in classes and not stated.notes for stated in known.by_path.values())
    assert len(known.by_path) == len(paths) and {problem.code for problem in known.problems} <= {"unknown_image"}
