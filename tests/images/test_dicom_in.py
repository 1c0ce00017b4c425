"""DICOM files coming in: stored de-identified, their facts kept as the project wants it."""

import hashlib
import io
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image as Picture
from PIL.PngImagePlugin import PngInfo
from pydicom import dcmread

from images import renditions
from images.models import Deidentification, Image, Rendition, RenditionKind
from images.services import ScanFacts, create_project, store_scan, update_project
from mediscan_site.core.errors import Invalid
from mediscan_site.core.storage import blobs
from tests.images.decoding.dicoms import dicom

PLANTED = "PLANTED"
PIXELS = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint16) * 16
TAGS = {
    "PatientName": f"{PLANTED}^Jane",
    "PatientID": f"{PLANTED} 4711",
    "PatientSex": "F",
    "PatientAge": "047Y",
    "StudyDate": "20200131",
    "StudyTime": "101500",
    "InstitutionName": "St. Mary",
    "Manufacturer": "ACME",
    "ManufacturerModelName": "X1",
    "BodyPartExamined": "CHEST",
    "ViewPosition": "PA",
    "PixelSpacing": [0.5, 0.5],
    "StudyDescription": PLANTED,
    "Modality": "DX",
}
pytestmark = pytest.mark.django_db


@pytest.fixture
def take(project, author):
    def make(data: bytes | None = None, *, into=None, **facts) -> Image:
        source = io.BytesIO(dicom(PIXELS, **TAGS) if data is None else data)
        facts = ScanFacts(**facts)
        return store_scan(actor=author, project=into or project, source=source, file_name="a.dcm", facts=facts)[0]

    return make


def stored(image: Image):
    return dcmread(io.BytesIO(blobs.read(image.blob)))


def test_a_dicom_file_is_stored_de_identified_and_both_digests_are_kept(take):
    data = dicom(PIXELS, **TAGS)
    image = take(data)
    kept = blobs.read(image.blob)
    assert image.image_format == "DICOM" and image.blob.content_type == "application/dicom"
    assert image.received_sha256 == hashlib.sha256(data).hexdigest()
    assert image.sha256 == hashlib.sha256(kept).hexdigest() != image.received_sha256
    assert image.size == len(kept)
    assert PLANTED.encode() in data and PLANTED.encode() not in kept
    assert stored(image).PatientID == image.patient
    assert (stored(image).pixel_array == PIXELS).all()
    assert take(data).pk == image.pk


def test_nothing_that_is_made_of_a_dicom_file_names_the_patient(take, database_rows):
    image = take()
    for kind in RenditionKind:
        assert PLANTED.encode() not in blobs.read(renditions.ensure(image, kind))
    report = Deidentification.objects.get(image=image)
    rows = database_rows()
    assert any(image.patient in row for row in rows) and not [row for row in rows if PLANTED in row]
    assert {"tag": "(0010,0010)", "keyword": "PatientName", "action": "replaced"} in report.actions


def test_the_facts_of_the_file_are_kept_and_its_date_is_moved(take):
    image = take()
    known = image.metadata
    assert stored(image).get("InstitutionName", "") == ""
    assert (image.modality, known.sex, known.age, known.institution) == ("DX", "F", 47.0, "St. Mary")
    assert (known.body_part, known.view, known.device, known.pixel_spacing) == ("CHEST", "PA", "ACME X1", 0.5)
    assert f"{known.capture_date:%Y%m%d %H%M}" == f"{stored(image).StudyDate} 1015"
    assert known.capture_date < datetime(2020, 1, 1, 10, 15, tzinfo=UTC)


def test_what_is_stated_beats_what_the_file_says(take):
    said = datetime(2021, 5, 4, tzinfo=UTC)
    image = take(modality="CR", patient="somebody else", sex="M", capture_date=said)
    assert (image.modality, image.metadata.sex, image.metadata.capture_date) == ("CR", "M", said)
    assert image.metadata.body_part == "CHEST"
    assert image.patient == take(dicom(PIXELS + 1, **TAGS), patient="Somebody Else").patient
    assert stored(image).PatientID == image.patient != take(dicom(PIXELS + 2, **TAGS)).patient


def test_a_project_that_keeps_nothing_gets_nothing(take, project, admin):
    options = {"keep_patient_characteristics": False, "keep_institution": False, "shift_dates": False}
    kept = update_project(actor=admin, project=project, changes=options)
    image = take(into=kept)
    known = image.metadata
    assert (known.sex, known.age, known.institution, known.capture_date) == ("", None, "St. Mary", None)
    assert known.body_part == "CHEST"
    file = stored(image)
    assert file.StudyDate == "" and "PatientAge" not in file and file.get("InstitutionName", "") == ""


def test_a_patient_is_the_same_in_form_and_file_and_another_one_in_another_project(take, admin):
    from images.services import add_member

    other = create_project(actor=admin, name="Other", classes=["a", "b"])
    first = take()
    add_member(actor=admin, project=other, user=first.uploaded_by)
    elsewhere = take(into=other)
    assert first.patient == take(dicom(PIXELS + 1, PatientID=f"  {PLANTED.lower()} 4711")).patient
    assert first.patient != elsewhere.patient
    uids = [stored(image).StudyInstanceUID for image in (first, elsewhere)]
    assert uids[0] != uids[1]


def test_the_large_picture_is_made_when_it_is_looked_at(take):
    image = take()
    assert not Rendition.objects.filter(image=image, kind=RenditionKind.VIEW).exists()
    view = renditions.ensure(image, RenditionKind.VIEW)
    with Picture.open(io.BytesIO(blobs.read(view))) as picture:
        assert picture.size == (80, 64)
    assert renditions.ensure(image, RenditionKind.VIEW).pk == view.pk


def test_facts_that_no_form_would_take_are_left_out_and_the_file_is_welcome(take):
    future = f"{datetime.now(UTC).year + 20}0101"
    image = take(dicom(PIXELS, PatientAge="999Y", StudyDate=future, PatientID=""))
    assert (image.metadata.age, image.patient, image.metadata.capture_date) == (None, None, None)


def test_an_age_above_89_is_kept_as_90(take):
    assert take(dicom(PIXELS, PatientAge="097Y")).metadata.age == 90.0


def test_a_dicom_file_that_cannot_be_read_leaves_nothing(take, blob_files):
    before = blob_files()
    with pytest.raises(Invalid):
        take(dicom(PIXELS, **TAGS)[:900])
    assert blob_files() == before and not Image.objects.exists()


def test_the_report_is_in_the_api_and_only_for_dicom(take, api, author, outsider, make_scan):
    image = take()
    answer = api(author).get(f"/api/v1/images/{image.code}/deidentification/")
    assert answer.status_code == 200
    body = answer.json()
    assert body["image"] == image.code and body["profile"].startswith("DICOM PS3.15")
    assert {row["action"] for row in body["actions"]} >= {"removed", "replaced", "shifted", "kept"}
    assert PLANTED not in answer.content.decode()
    assert api(outsider).get(f"/api/v1/images/{image.code}/deidentification/").status_code == 404
    assert api(author).get(f"/api/v1/images/{make_scan().code}/deidentification/").status_code == 404


def test_pictures_of_other_formats_carry_nothing_of_their_file(take):
    for number, kind in enumerate(("PNG", "JPEG", "TIFF")):
        image = take(_with_metadata(kind, number))
        assert image.blob is not None and PLANTED.encode() in blobs.read(image.blob)
        for rendition in RenditionKind:
            assert PLANTED.encode() not in blobs.read(renditions.ensure(image, rendition))


def _with_metadata(kind: str, seed: int) -> bytes:
    picture = Picture.fromarray((PIXELS % 251 + seed).astype(np.uint8))
    exif = Picture.Exif()
    exif[0x010E] = exif[0x013B] = PLANTED
    options = {"exif": exif.tobytes(), "icc_profile": PLANTED.encode() * 4}
    if kind == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", PLANTED)
        options["pnginfo"].add_itxt("Title", PLANTED, zip=False)
    if kind == "TIFF":
        options = {"tiffinfo": {270: PLANTED, 315: PLANTED}}
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()
