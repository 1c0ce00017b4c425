"""What left comes back: an export imported into an empty project gives the same scans, labels, splits and patients."""

import io

import numpy as np
import pydicom
import pytest
from PIL import Image as Pillow
from PIL import PngImagePlugin

from images import renditions
from images.models import Image, RenditionKind
from images.renditions import tile
from images.services import ScanFacts, create_project, parse_facts
from labeling.datasets.freezing import freeze_snapshot
from labeling.exports import worker as export_worker
from labeling.exports.services import start_export
from labeling.imports import selectors
from labeling.imports import worker as import_worker
from labeling.imports.services import start_import, upload_scan
from labeling.models import Export, Import
from labeling.reading.reviews import review_scan
from mediscan_site.core.models import WorkStatus
from mediscan_site.core.storage import blobs
from tests.conftest import CLASSES, scan_bytes
from tests.images.decoding.dicoms import dicom

PLANTED = "DOE^JANE 0815"


def there_and_back(actor, source, target, **asked) -> Import:
    """Export `source` and import the ZIP into `target`, both as workers do it."""
    export = start_export(actor=actor, project=source, **asked)
    export_worker.run(export.pk)
    export.refresh_from_db()
    assert export.status == WorkStatus.SUCCEEDED, export.error
    assert export.blob is not None
    with blobs.open_blob(export.blob) as stream:
        batch = start_import(actor=actor, project=target, source=stream, file_name="export.zip")
    import_worker.run(batch.pk)
    done = selectors.imports(actor).get(pk=batch.pk)
    assert done.status == WorkStatus.SUCCEEDED, done.error
    return done  # type: ignore[no-any-return]


@pytest.fixture
def copy(admin):
    return create_project(actor=admin, name="Copy", classes=CLASSES)


def known(image: Image, *names: str):
    facts = ("pixel_spacing", "capture_date", "sex", "age", "body_part", "view", "laterality", "device")
    metadata = tuple(getattr(image.metadata, name) for name in facts)
    label = image.label_class.name if image.label_class else None
    own = (image.width, image.height, image.split, image.patient, image.external_id, image.modality, image.bits)
    return (label, *own, *metadata, *(getattr(image, name) for name in names))


def scans(project) -> list[Image]:
    return list(Image.objects.filter(project=project).select_related("label_class", "metadata").order_by("phash", "pk"))


def test_a_snapshot_comes_back_bit_by_bit(make_snapshot, admin, author, project, copy):
    snapshot = make_snapshot(4)
    report = there_and_back(admin, project, copy, snapshot=snapshot)
    assert (report.created, report.duplicates, report.rejected, report.warnings) == (12, 0, 0, 0)
    assert [known(image, "sha256", "image_format") for image in scans(copy)] == [
        known(image, "sha256", "image_format") for image in scans(project)
    ]
    assert {image.approval_status for image in scans(copy)} == {"pending"}
    for image in scans(copy):
        review_scan(actor=author_of(copy, admin, author), image=image, status="approved")
    again = freeze_snapshot(actor=admin, project=copy)
    assert (again.class_counts, again.grouping) == (snapshot.class_counts, snapshot.grouping)
    assert sorted(again.members.values_list("sha256", "split", "group")) == sorted(
        snapshot.members.values_list("sha256", "split", "group")
    )


def author_of(project, admin, author):
    from images.services import add_member

    if not project.memberships.filter(user=author).exists():
        add_member(actor=admin, project=project, user=author)
    return author


def test_a_second_import_of_an_export_doubles_nothing(make_snapshot, admin, project, copy):
    snapshot = make_snapshot(4)
    there_and_back(admin, project, copy, snapshot=snapshot)
    for target in (project, copy):
        report = there_and_back(admin, project, target, snapshot=snapshot)
        assert (report.created, report.duplicates, report.rejected) == (0, 12, 0)


def test_everything_that_is_known_of_a_scan_comes_back(make_scan, admin, author, project, copy):
    facts = {
        "patient": "MRN 1", "modality": "CR", "pixel_spacing": "0.143", "capture_date": "2021-03-04T05:06:07Z", "sex": "F",
        "age": "61.5", "body_part": "CHEST", "view": "PA", "laterality": "L", "device": "+Unit, \"7\"", "institution": "St. Mary",
    }  # fmt: skip
    place = {"label_class": project.class_rows.get(name="OPACITY"), "split": "val", "external_id": "@7"}
    store(author, project, scan_bytes(1), facts=parse_facts(facts), **place)
    store(author, project, scan_bytes(2), facts=ScanFacts(patient="MRN 1"))
    store(author, project, scan_bytes(3))
    report = there_and_back(admin, project, copy)
    assert (report.created, report.rejected, report.warnings) == (3, 0, 0)
    assert [known(image, "sha256") for image in scans(copy)] == [known(image, "sha256") for image in scans(project)]
    assert {image.metadata.institution for image in scans(copy)} == {""}


def test_class_names_that_folders_cannot_carry_come_back(admin, make_scan):
    names = ["train", ".hidden", "__MACOSX", "0", "Ünïcode & spaces"]
    source, target = (create_project(actor=admin, name=name, classes=names) for name in ("From", "To"))
    for seed, name in enumerate(names):
        make_scan(seed=seed, label=name, into=source, actor=admin)
    report = there_and_back(admin, source, target)
    assert (report.created, report.rejected, report.warnings) == (len(names), 0, 0)
    assert [known(image) for image in scans(target)] == [known(image) for image in scans(source)]


def store(actor, project, data: bytes, *, facts: ScanFacts | None = None, **options) -> Image:
    source, name = io.BytesIO(data), "any name"
    facts = facts or ScanFacts()
    return upload_scan(actor=actor, project=project, source=source, file_name=name, facts=facts, **options)[0]


def saved(picture: Pillow.Image, form: str, **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def files() -> list[bytes]:
    """One of each kind, most with words that must not leave."""
    grey = Pillow.fromarray(np.random.default_rng(5).integers(0, 256, (90, 160), dtype=np.uint8))
    deep = Pillow.fromarray(np.random.default_rng(6).integers(0, 40_000, (90, 161), dtype=np.uint16))
    words = PngImagePlugin.PngInfo()
    words.add_text("Patient", PLANTED)
    exif, turned = Pillow.Exif(), Pillow.Exif()
    exif[0x010E] = turned[0x010E] = PLANTED
    turned[0x0112] = 6
    return [
        saved(grey, "JPEG", exif=exif, comment=PLANTED),
        saved(grey.rotate(180), "JPEG", exif=turned),
        saved(deep, "PNG", pnginfo=words),
        saved(deep.rotate(180), "TIFF", description=PLANTED, compression="tiff_lzw"),
        saved(grey.convert("CMYK").rotate(90), "TIFF", artist=PLANTED),
    ]


@pytest.mark.parametrize("kind", Export.Files.values)
def test_every_format_comes_back_as_the_same_picture(kind, admin, author, project, copy):
    for number, data in enumerate(files()):
        store(author, project, data, external_id=str(number))
    report = there_and_back(admin, project, copy, files=kind)
    assert (report.created, report.rejected) == (5, 0)
    for before in scans(project):
        after = Image.objects.get(project=copy, external_id=before.external_id)
        assert (after.width, after.height) == (before.width, before.height)
        assert np.array_equal(tile(after), tile(before)), before.external_id
        assert np.array_equal(shown(after), shown(before)), before.external_id
        if kind == Export.Files.ORIGINALS and before.external_id != "1":
            assert (after.bits, after.image_format) == (before.bits, before.image_format)
        assert after.blob is not None
        assert PLANTED.encode() not in blobs.read(after.blob)


def shown(image: Image):
    return np.asarray(Pillow.open(io.BytesIO(blobs.read(renditions.ensure(image, RenditionKind.VIEW)))))


def test_dicom_comes_back_with_its_depth_its_dates_and_its_patient(admin, author, project, copy):
    values = np.random.default_rng(7).integers(0, 4096, (90, 120), dtype=np.uint16)
    tags = {"Modality": "CR", "PatientID": "MRN 77", "PatientName": PLANTED, "PatientSex": "F", "PatientAge": "061Y"}
    data = dicom(values, StudyDate="20210304", AcquisitionDate="20210304", PixelSpacing=[0.2, 0.2], **tags)
    before = store(author, project, data, label_class=project.class_rows.get(name="NORMAL"), split="test")
    report = there_and_back(admin, project, copy)
    assert (report.created, report.rejected, report.warnings) == (1, 0, 0)
    after = Image.objects.select_related("label_class", "metadata", "blob").get(project=copy)
    assert known(after, "image_format") == known(before, "image_format")
    assert after.image_format == "DICOM"
    assert after.blob is not None
    assert np.array_equal(pydicom.dcmread(io.BytesIO(blobs.read(after.blob))).pixel_array, values)
    assert np.array_equal(tile(after), tile(before))
    assert PLANTED.encode() not in blobs.read(after.blob)


def test_real_scans_come_back(shared_data, admin, author, project, copy):
    for path in sorted((shared_data / "dataset" / "test").glob("*/*"))[:6]:
        store(author, project, path.read_bytes(), facts=ScanFacts(patient=path.stem[:4]))
    there_and_back(admin, project, copy)
    assert [known(image, "sha256") for image in scans(copy)] == [known(image, "sha256") for image in scans(project)]


@pytest.mark.parametrize("value", ["MRN 0815", "P123", "PABCDEFGH234567Y!", "pABCDEFGH234567YZ"])
def test_what_is_no_pseudonym_is_not_taken_for_one(value, admin, copy):
    report = imported(admin, copy, f"image_id,label,pseudonym\na.jpg,NORMAL,{value}\n")
    assert (report.created, report.rejected) == (1, 0)
    said = report.files.get(outcome="warning").detail
    assert "Put patient ids of your own into `patient`" in said and value not in said
    assert Image.objects.get(project=copy).patient is None


def test_a_patient_and_another_pseudonym_contradict(admin, copy):
    report = imported(admin, copy, "image_id,label,patient,pseudonym\na.jpg,NORMAL,MRN 1,PABCDEFGH234567YZ\n")
    assert (report.created, report.rejected) == (1, 0)
    assert "name different patients" in report.files.get(outcome="warning").detail
    assert Image.objects.get(project=copy).patient == "PABCDEFGH234567YZ"


def imported(actor, project, labels: str):
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.jpg", scan_bytes(1))
        archive.writestr("labels.csv", labels)
    batch = start_import(actor=actor, project=project, source=io.BytesIO(out.getvalue()), file_name="x.zip")
    import_worker.run(batch.pk)
    return selectors.imports(actor).get(pk=batch.pk)
