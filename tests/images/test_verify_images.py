"""verify_images names what is damaged, and exits with 1."""

import io
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from images import learning
from images.models import Image, Rendition
from mediscan_site.core.backup import objects
from mediscan_site.core.models import Blob
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.envelope import DamagedObject

pytestmark = pytest.mark.django_db


def verify() -> tuple[str, bool]:
    out = io.StringIO()
    try:
        call_command("verify_images", stdout=out)
    except CommandError:
        return out.getvalue(), False
    return out.getvalue(), True


def file_of(files: set[Path], blob: Blob) -> Path:
    return next(path for path in files if path.name == str(blob.pk))


def test_whole_objects_are_counted_and_all_is_well(store):
    store(1)
    store(2)
    said, well = verify()
    assert well
    assert said.startswith("6 stored objects verified")


@pytest.mark.parametrize("harm", ["flip", "cut", "lose", "swap"])
def test_a_damaged_object_is_named_quarantined_and_released_when_restored(store, blob_files, harm):
    image, other = store(1), store(2)
    path = file_of(blob_files(), image.blob)
    whole = path.read_bytes()
    if harm == "flip":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif harm == "cut":
        path.write_bytes(whole[:-20])
    elif harm == "swap":
        path.write_bytes(file_of(blob_files(), other.blob).read_bytes())
    else:
        path.unlink()
    said, well = verify()
    assert not well
    assert said.count("damaged:") == 1
    assert f"image {image.code}" in said
    path.write_bytes(whole)
    image.blob.refresh_from_db()
    with pytest.raises(DamagedObject, match="quarantine"):
        blobs.read(image.blob)
    said, well = verify()
    assert well
    assert "whole again" in said
    image.blob.refresh_from_db()
    assert blobs.read(image.blob)


def test_a_damaged_thumbnail_is_named_too(store, blob_files):
    image = store(1)
    thumbnail = Rendition.objects.get(image=image, kind="thumbnail")
    file_of(blob_files(), thumbnail.blob).write_bytes(b"")
    said, well = verify()
    assert not well
    assert f"rendition thumbnail of {image.pk}" in said


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("harm", ["flip", "lose"])
def test_a_damaged_object_is_put_back_from_a_backup_bit_for_bit(store, blob_files, settings, tmp_path, harm):
    image = store(1)
    path = file_of(blob_files(), image.blob)
    whole = path.read_bytes()
    kept = tmp_path / "objects" / image.blob.pk.hex[:2] / str(image.blob.pk)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(whole)
    if harm == "flip":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    else:
        path.unlink()
    with pytest.raises(CommandError, match="--restore-from-backup"):
        call_command("verify_images", stdout=io.StringIO())
    with pytest.raises(CommandError, match="BACKUP_DIR is not set"):
        call_command("verify_images", restore_from_backup=True, stdout=io.StringIO())
    settings.BACKUP_DIR = str(tmp_path)
    out = io.StringIO()
    call_command("verify_images", restore_from_backup=True, stdout=out)
    assert f"restored: image {image.code}" in out.getvalue()
    assert path.read_bytes() == whole
    image.blob.refresh_from_db()
    assert blobs.read(image.blob)


def test_what_is_damaged_in_the_backup_too_is_not_put_back(store, blob_files, settings, tmp_path):
    image = store(1)
    path = file_of(blob_files(), image.blob)
    kept = tmp_path / "objects" / image.blob.pk.hex[:2] / str(image.blob.pk)
    kept.parent.mkdir(parents=True)
    *others, last = path.read_bytes()
    kept.write_bytes(bytes([*others, last ^ 1]))
    path.write_bytes(b"rotten")
    settings.BACKUP_DIR = str(tmp_path)
    with pytest.raises(CommandError, match="No backup has them"):
        call_command("verify_images", restore_from_backup=True, stdout=io.StringIO())
    assert path.read_bytes() == b"rotten"


@pytest.mark.django_db(transaction=True)
def test_a_view_for_learning_is_in_a_backup_and_put_back_from_it(store, blob_files, settings, tmp_path):
    image = store(1)
    before = learning.view(image).pixels
    path = file_of(blob_files(), Rendition.objects.get(image=image, kind="learning").blob)
    entries = list(objects.present(set(Blob.objects.values_list("pk", flat=True)), timezone.now(), set()))
    assert len(entries) == 4 and all(objects.copy(tmp_path, entry) for entry in entries)
    settings.BACKUP_DIR = str(tmp_path)
    path.unlink()
    out = io.StringIO()
    call_command("verify_images", restore_from_backup=True, stdout=out)
    assert f"restored: rendition learning of {image.pk}" in out.getvalue()
    assert np.array_equal(learning.view(Image.objects.get(pk=image.pk)).pixels, before)
