import hashlib
import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.core.management import call_command

from mediscan_site.core.models import Blob
from mediscan_site.core.storage import blobs, orphans, ring
from mediscan_site.core.storage.envelope import DamagedObject

BODY = os.urandom(300_000)


def stored(data: bytes = BODY) -> Blob:
    blob = blobs.write(data, namespace="7", content_type="image/png")
    blob.save(force_insert=True)
    return blob


def on_disk(blob: Blob) -> Path:
    return Path(settings.STORAGES["blobs"]["OPTIONS"]["location"]) / blob.path


@pytest.mark.django_db
@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
def test_bytes_come_back_as_they_went_in(size):
    body = os.urandom(size)
    blob = stored(body)
    assert blobs.read(blob) == body
    assert (blob.size, blob.sha256) == (size, hashlib.sha256(body).hexdigest())
    assert hashlib.sha256(on_disk(blob).read_bytes()).hexdigest() == blob.stored_sha256


@pytest.mark.django_db
def test_a_stream_is_stored_without_being_read_whole_and_can_be_read_from_the_middle():
    blob = blobs.write(io.BytesIO(BODY), namespace="7", content_type="image/png")
    blob.save(force_insert=True)
    with blobs.open_blob(blob) as stream:
        stream.seek(123_456)
        assert stream.read(1000) == BODY[123_456:124_456]


@pytest.mark.django_db
def test_nothing_of_the_plaintext_is_on_the_disk():
    blob = stored()
    cipher = on_disk(blob).read_bytes()
    assert all(BODY[at : at + 16] not in cipher for at in range(0, len(BODY) - 16, 997))


@pytest.mark.django_db
@pytest.mark.parametrize("damage", ["flip", "truncate", "swap", "delete"])
def test_damage_is_an_integrity_error_and_never_other_bytes(damage):
    blob, other = stored(), stored(os.urandom(len(BODY)))
    path = on_disk(blob)
    if damage == "delete":
        path.unlink()
    elif damage == "swap":
        path.write_bytes(on_disk(other).read_bytes())
    elif damage == "truncate":
        path.write_bytes(path.read_bytes()[:-70_000])
    else:
        cipher = bytearray(path.read_bytes())
        cipher[len(cipher) // 2] ^= 1
        path.write_bytes(cipher)
    with pytest.raises(DamagedObject):
        blobs.read(blob)
    assert blobs.is_damaged(blob)


@pytest.mark.django_db
def test_an_erased_object_is_gone_for_good():
    blob = stored()
    blobs.erase(blob)
    blob.refresh_from_db()
    assert blob.wrapped_key is None
    assert not on_disk(blob).exists()
    with pytest.raises(DamagedObject, match="erased"):
        blobs.open_blob(blob)


@pytest.mark.django_db
def test_keys_are_changed_without_touching_a_file_and_processes_that_run_follow(monkeypatch):
    blob = stored()
    before, old = on_disk(blob).read_bytes(), settings.KEY_RING
    call_command("rotate_keys", retire=old.primary_id)
    blob.refresh_from_db()
    assert blob.key_id != old.primary_id
    assert on_disk(blob).read_bytes() == before
    # What a process that started before the change knows.
    monkeypatch.setattr(settings, "KEY_RING", old)
    monkeypatch.setattr(ring, "_loaded_at", 1)
    assert blobs.read(blob) == BODY
    assert stored().key_id == blob.key_id


@pytest.mark.django_db
def test_objects_nobody_refers_to_are_swept_and_nothing_else():
    kept, erased = stored(), stored()
    orphan = blobs.write(BODY, namespace="7", content_type="image/png")
    bytes_of_erased = on_disk(erased).read_bytes()
    blobs.erase(erased)
    on_disk(erased).write_bytes(bytes_of_erased)
    half = on_disk(orphan).with_name("half-written.part")
    half.write_bytes(b"half")
    orphans.sweep(older_than=timedelta(days=1))
    assert on_disk(orphan).exists(), "a young object may still get its row"
    orphans.sweep(older_than=timedelta(seconds=-5))
    assert [on_disk(blob).exists() for blob in (kept, erased, orphan)] == [True, False, False]
    assert not half.exists()


def test_a_write_that_fails_half_way_leaves_nothing_behind():
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1_500_000:
                raise OSError("disk gone")
            return super().read(size)

    folder = Path(settings.STORAGES["blobs"]["OPTIONS"]["location"]) / "broken"
    with pytest.raises(OSError, match="disk gone"):
        blobs.write(Broken(os.urandom(3_000_000)), namespace="broken", content_type="image/png")
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.django_db
def test_bytes_whose_row_is_not_written_do_not_stay_behind():
    blob = blobs.write(BODY, namespace="7", content_type="image/png")
    with pytest.raises(ValueError, match="no row"), blobs.discarded_on_failure(blob):
        raise ValueError("no row")
    assert not storages["blobs"].exists(blob.path)
