"""A scan comes in, is changed and is erased."""

import hashlib
import io
import threading

import numpy as np
import pytest
from django.conf import settings
from django.db import connection
from PIL import Image as Picture

from images import renditions, selectors
from images.models import Image, Metadata, Rendition, RenditionKind
from images.services import (
    ScanFacts,
    create_project,
    delete_scan,
    erasure,
    on_erase,
    open_original,
    open_rendition,
    parse_facts,
    store_scan,
    update_scan,
)
from mediscan_site.core.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, Stale, TooLarge
from mediscan_site.core.models import AuditEvent, Blob
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.envelope import DamagedObject
from tests.conftest import scan_bytes


def upload(actor, project, data: bytes, **options) -> tuple[Image, bool]:
    given = {"file_name": "a.jpg", "facts": ScanFacts(), **options}
    return store_scan(actor=actor, project=project, source=io.BytesIO(data), **given)


@pytest.mark.django_db
def test_a_scan_is_kept_bit_by_bit_with_its_facts(project, author):
    data = scan_bytes(1)
    facts = parse_facts({"patient": "Smith 1", "pixel_spacing": "0.14", "age": 61, "capture_date": "2024-05-31"})
    image, created = upload(author, project, data, facts=facts, file_name="C:\\x\\Röntgen 1.JPG", external_id=" e1 ")
    assert created
    image.refresh_from_db()
    assert (image.file_name, image.image_format, image.width, image.height) == ("Röntgen 1.JPG", "JPEG", 160, 150)
    assert image.sha256 == image.received_sha256 == hashlib.sha256(data).hexdigest()
    assert (image.size, image.external_id, image.modality, len(image.phash)) == (len(data), "e1", "X-ray", 64)
    assert image.patient and "Smith" not in image.patient
    assert (image.metadata.pixel_spacing, image.metadata.age) == (0.14, 61.0)
    assert image.metadata.capture_date.isoformat() == "2024-05-31T00:00:00+00:00"
    assert blobs.read(image.blob) == data
    assert AuditEvent.objects.get(action="scan.upload").object_id == str(image.pk)


@pytest.mark.django_db
def test_what_is_shown_carries_nothing_of_the_file_but_its_pixels(project, author):
    out = io.BytesIO()
    exif = Picture.Exif()
    exif[0x010E] = "Patient Jane Doe"
    Picture.new("L", (300, 200), 90).save(out, "JPEG", exif=exif)
    image, _ = upload(author, project, out.getvalue())
    assert b"Jane Doe" in blobs.read(image.blob)
    for kind in (RenditionKind.THUMBNAIL, RenditionKind.VIEW):
        stream, blob = open_rendition(actor=author, image=image, kind=kind)
        shown = stream.read()
        assert b"Jane Doe" not in shown
        assert blob.sha256 == hashlib.sha256(shown).hexdigest()
    assert AuditEvent.objects.filter(action="scan.open").count() == 1, "a thumbnail is no opening"


@pytest.mark.django_db
def test_the_same_bytes_are_the_same_scan_in_a_project_and_another_scan_elsewhere(project, author, admin, blob_files):
    first, _ = upload(author, project, scan_bytes(1))
    files = blob_files()
    again, created = upload(author, project, scan_bytes(1), file_name="other.jpg")
    assert (again.pk, created) == (first.pk, False)
    assert blob_files() == files
    other = create_project(actor=admin, name="Other", classes=["a", "b"])
    assert upload(admin, other, scan_bytes(1))[1]


@pytest.mark.django_db
def test_a_file_without_a_picture_is_refused_and_leaves_nothing(project, author, blob_files):
    before = blob_files()
    for data, code in ((b"", "empty_file"), (b"hello", "unsupported_format"), (scan_bytes(1)[:900], None)):
        with pytest.raises(Invalid) as caught:
            upload(author, project, data)
        assert caught.value.attr == "file"
        assert code in (None, caught.value.code)
    assert not Image.objects.exists() and not Blob.objects.exists()
    assert blob_files() == before


@pytest.mark.django_db
def test_a_file_over_the_limit_is_413_however_it_is_read(project, author, settings):
    settings.MAX_SCAN_BYTES = 1000
    with pytest.raises(TooLarge) as caught:
        upload(author, project, scan_bytes(1))
    assert caught.value.attr == "file"


@pytest.mark.django_db
def test_an_external_id_is_unique_in_the_project_and_a_clash_leaves_nothing(project, author, blob_files):
    upload(author, project, scan_bytes(1), external_id="x")
    files = blob_files()
    with pytest.raises(Conflict) as caught:
        upload(author, project, scan_bytes(2), external_id="x")
    assert (caught.value.code, caught.value.attr) == ("external_id_taken", "external_id")
    assert blob_files() == files
    upload(author, project, scan_bytes(2))
    upload(author, project, scan_bytes(3))


@pytest.mark.django_db
def test_a_storage_that_fails_half_way_leaves_no_bytes(project, author, blob_files, monkeypatch):
    before = blob_files()

    def fail(*args, **kwargs) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("images.services.scans.insert", fail)
    with pytest.raises(OSError, match="no space"):
        upload(author, project, scan_bytes(1))
    assert blob_files() == before
    assert not Blob.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_six_uploads_of_one_file_at_once_make_one_scan_and_keep_one_copy(project, author, blob_files):
    before, data = blob_files(), scan_bytes(1)
    barrier, outcomes, errors = threading.Barrier(6), [], []

    def send() -> None:
        try:
            barrier.wait()
            outcomes.append(upload(author, project, data))
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len({image.pk for image, _ in outcomes}) == 1
    assert sum(created for _, created in outcomes) == 1
    assert Image.objects.count() == 1
    kept = blob_files() - before
    assert {path.name for path in kept} == {str(blob.pk) for blob in Blob.objects.all()}
    assert len(kept) == 3


@pytest.mark.django_db
def test_no_file_under_the_data_folder_holds_the_pixels_in_the_clear(project, author):
    data = scan_bytes(7)
    image, _ = upload(author, project, data)
    parts = [blobs.read(found.blob) for found in Rendition.objects.filter(image=image).select_related("blob")]
    windows = [part[len(part) // 2 :][:64] for part in (data, *parts)]
    assert all(len(window) == 64 for window in windows)
    for path in settings.DATA_DIR.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(window in content for window in windows), path


@pytest.mark.django_db
def test_a_tile_is_256_by_256_and_is_made_again_when_it_is_missing(store):
    image = store(3)
    tile = renditions.tile(image)
    assert (tile.shape, tile.dtype) == ((256, 256), np.uint8)
    assert tile.std() > 5
    Rendition.objects.filter(image=image, kind=RenditionKind.TILE).delete()
    assert np.array_equal(renditions.tile(image), tile)
    assert Rendition.objects.filter(image=image, kind=RenditionKind.TILE).count() == 1


@pytest.mark.django_db
def test_a_patient_has_one_pseudonym_in_a_project_whatever_the_spelling(store):
    first, second = store(1, patient="Smith"), store(2, patient=" SMITH ")
    assert first.patient == second.patient
    assert store(3, patient=first.patient).patient == first.patient


@pytest.mark.django_db
def test_a_change_needs_the_version_that_was_seen_and_moves_it_on(store, colleague):
    image = store(1)
    changes = {"use_for_training": False, "age": "44", "split": "val", "modality": "CT"}
    changed = update_scan(actor=colleague, image=image, changes=changes, expected_version=1)
    assert (changed.use_for_training, changed.split, changed.modality, changed.version) == (False, "val", "CT", 2)
    assert changed.metadata.age == 44
    with pytest.raises(Stale):
        update_scan(actor=colleague, image=image, changes={"split": "test"}, expected_version=1)
    assert update_scan(actor=colleague, image=changed, changes={"file_name": "x"}).version == 2
    assert update_scan(actor=colleague, image=changed, changes={"age": None}).metadata.age is None


@pytest.mark.django_db
def test_a_split_that_a_data_set_holds_does_not_change(store, author):
    image = store(1, split="train")
    Image.objects.filter(pk=image.pk).update(split_locked=True)
    with pytest.raises(Conflict) as caught:
        update_scan(actor=author, image=image, changes={"split": "test"})
    assert caught.value.code == "split_locked"
    assert update_scan(actor=author, image=image, changes={"split": "train", "age": 3}).metadata.age == 3


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pixel_spacing", 0),
        ("pixel_spacing", "NaN"),
        ("pixel_spacing", True),
        ("age", -1),
        ("age", 131),
        ("age", "old"),
        ("capture_date", "31.5.2024"),
        ("capture_date", "1500-01-01"),
        ("capture_date", "2999-01-01"),
        ("capture_date", "0001-01-01T00:00:00+14:00"),
        ("capture_date", 20240531),
        ("institution", "x" * 201),
        ("institution", "a\u202eb"),
        ("sex", ["F"]),
        ("device", "a\x00"),
        ("split", "exam"),
        ("use_for_training", "yes"),
        ("external_id", "x" * 129),
    ],
)
def test_a_wrong_fact_is_refused_by_name_and_nothing_changes(store, author, field, value):
    image = store(1)
    with pytest.raises(Invalid) as caught:
        update_scan(actor=author, image=image, changes={"modality": "CT", field: value})
    assert caught.value.attr == field
    image.refresh_from_db()
    assert (image.version, image.modality) == (1, "X-ray")


@pytest.mark.django_db
def test_outsiders_neither_store_nor_change_nor_open(store, project, outsider):
    image = store(1)
    with pytest.raises(NotFound):
        upload(outsider, project, scan_bytes(2))
    with pytest.raises(NotFound):
        update_scan(actor=outsider, image=image, changes={"age": 1})
    with pytest.raises(NotFound):
        open_original(actor=outsider, image=image)


@pytest.mark.django_db(transaction=True)
def test_an_erased_scan_leaves_a_tombstone_and_no_key_and_no_byte(store, admin, author, blob_files, monkeypatch):
    before = blob_files()
    image = store(1, patient="p", external_id="e")
    extra = blobs.write(b"heat map", namespace="x", content_type="image/png")
    extra.save(force_insert=True)
    monkeypatch.setattr(erasure, "_hooks", [])
    on_erase(lambda erased: [extra] if erased.pk == image.pk else [])
    with pytest.raises(Forbidden):
        delete_scan(actor=author, image=image)
    assert len(blob_files() - before) == 4
    original = image.blob
    delete_scan(actor=admin, image=image)
    assert blob_files() == before
    assert not Blob.objects.filter(wrapped_key__isnull=False).exists()
    with pytest.raises(DamagedObject):
        blobs.read(Blob.objects.get(pk=original.pk))
    image.refresh_from_db()
    kept = (image.blob, image.sha256, image.received_sha256, image.patient, image.external_id, image.file_name)
    assert kept == (None, None, None, None, None, "")
    assert image.phash == "" and image.erased_at is not None
    assert not Metadata.objects.exists() and not Rendition.objects.exists()
    assert not selectors.scans(admin).exists()
    with pytest.raises(NotFound):
        delete_scan(actor=admin, image=image)
    assert store(1).pk != image.pk


@pytest.mark.django_db(transaction=True)
def test_a_hook_that_fails_stops_the_erasure(store, admin, monkeypatch):
    image = store(1)

    def refuse(_: Image) -> list[Blob]:
        raise Conflict("A data set holds this scan.")

    monkeypatch.setattr(erasure, "_hooks", [refuse])
    with pytest.raises(DomainError):
        delete_scan(actor=admin, image=image)
    image.refresh_from_db()
    assert image.erased_at is None
    assert blobs.read(image.blob) == scan_bytes(1)
