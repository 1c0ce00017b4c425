"""Encrypted objects on S3: what holds on the disk holds in a bucket (moto's server, in this process)."""

import hashlib
import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import override_settings

from mediscan_site import connections
from mediscan_site.core.backup import objects
from mediscan_site.core.backup.layout import Entry, Stored
from mediscan_site.core.models import Blob, StoreOwner
from mediscan_site.core.storage import blobs, orphans, own_store, ring
from mediscan_site.core.storage.envelope import DamagedObject
from mediscan_site.core.storage.foreign import ForeignStore

moto_server = pytest.importorskip("moto.server", reason="moto is not installed: S3 is not tested")
boto3 = pytest.importorskip("boto3", reason="boto3 is not installed: S3 is not tested")

pytestmark = pytest.mark.django_db
BUCKET, PREFIX = "mediscan-test", "hospital/scans"
BODY = os.urandom(300_000)


@pytest.fixture(scope="module")
def address():
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(address, monkeypatch):
    """The site's storage is `s3://…`, as the environment would have it; gives the bucket to look into."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": address,
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    # The bucket is taken as this site's; its marker has tests of its own.
    monkeypatch.setattr(own_store, "_required", "in a bucket")
    made = boto3.resource("s3").create_bucket(Bucket=BUCKET)
    url = f"s3://{BUCKET}/{PREFIX}"
    with override_settings(STORAGES={"blobs": connections.blob_storage(url, Path("unused"), Path("/nowhere"))}):
        yield made
    made.objects.all().delete()
    made.delete()


def stored(data=BODY) -> Blob:
    blob = blobs.write(data, namespace="7", content_type="image/png")
    blob.save(force_insert=True)
    return blob


def in_bucket(bucket, blob: Blob):
    return bucket.Object(f"{PREFIX}/{blob.path}")


@pytest.mark.parametrize("size", [0, 1, 65_537, 300_000])
def test_bytes_come_back_from_s3_as_they_went_in(bucket, size):
    body = os.urandom(size)
    blob = stored(body)
    assert blobs.read(blob) == body
    assert not blobs.is_damaged(blob)
    cipher = in_bucket(bucket, blob).get()["Body"].read()
    assert (len(cipher), hashlib.sha256(cipher).hexdigest()) == (blob.stored_size, blob.stored_sha256)


def test_nothing_of_the_plaintext_is_in_the_bucket(bucket):
    cipher = in_bucket(bucket, stored()).get()["Body"].read()
    assert all(BODY[at : at + 16] not in cipher for at in range(0, len(BODY) - 16, 997))


class Patterned(io.RawIOBase):
    """A long stream that is never whole in memory, and counts how much was asked for at a time."""

    def __init__(self, size: int) -> None:
        self.left, self.largest = size, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        count = self.left if size < 0 else min(size, self.left)
        self.largest, self.left = max(self.largest, count), self.left - count
        return b"\xa5" * count


def test_a_stream_larger_than_one_part_is_uploaded_in_parts_and_read_from_the_middle(bucket):
    source = Patterned(40_000_001)
    blob = stored(source)
    assert source.largest <= 2**20
    assert blob.size == 40_000_001
    assert "-" in in_bucket(bucket, blob).e_tag, "an upload in parts has an ETag of parts"
    with blobs.open_blob(blob) as stream:
        stream.seek(39_999_990)
        assert stream.read() == b"\xa5" * 11
    assert not blobs.is_damaged(blob)


@pytest.mark.parametrize("damage", ["flip", "truncate", "swap", "delete"])
def test_damage_in_the_bucket_is_an_integrity_error_and_never_other_bytes(bucket, damage):
    blob, other = stored(), stored(os.urandom(len(BODY)))
    item = in_bucket(bucket, blob)
    cipher = bytearray(item.get()["Body"].read())
    if damage == "delete":
        item.delete()
    elif damage == "swap":
        item.put(Body=in_bucket(bucket, other).get()["Body"].read())
    elif damage == "truncate":
        item.put(Body=bytes(cipher[:-70_000]))
    else:
        cipher[len(cipher) // 2] ^= 1
        item.put(Body=bytes(cipher))
    with pytest.raises(DamagedObject):
        blobs.read(blob)
    assert blobs.is_damaged(blob)


def test_an_erased_object_is_gone_from_the_bucket(bucket):
    blob = stored()
    blobs.erase(blob)
    blob.refresh_from_db()
    assert blob.wrapped_key is None
    assert list(bucket.objects.all()) == []
    with pytest.raises(DamagedObject, match="erased"):
        blobs.open_blob(blob)


def test_objects_nobody_refers_to_are_swept_from_the_bucket(bucket):
    kept = stored()
    blobs.write(BODY, namespace="7", content_type="image/png")
    own_store.adopt(ring.current())
    assert orphans.sweep(older_than=timedelta(seconds=-60)).unknown == 1
    assert {entry.key for entry in bucket.objects.all()} == {f"{PREFIX}/{kept.path}", f"{PREFIX}/{own_store.MARKER}"}


def test_an_upload_that_fails_half_way_leaves_no_object_behind(bucket):
    class Broken(Patterned):
        def read(self, size: int = -1) -> bytes:
            if self.left < 10_000_000:
                raise OSError("network gone")
            return super().read(size)

    with pytest.raises(OSError, match="network gone"):
        blobs.write(Broken(30_000_000), namespace="7", content_type="image/png")
    assert list(bucket.objects.all()) == []
    uploads = boto3.client("s3").list_multipart_uploads(Bucket=BUCKET)
    assert uploads.get("Uploads", []) == []


def test_a_backup_copies_from_the_bucket_and_puts_a_lost_object_back(bucket, settings, tmp_path):
    blob = stored()
    settings.BACKUP_DIR = str(tmp_path)
    entry = Entry(blob.pk, blob.path, Stored(blob.stored_sha256, blob.stored_size))
    assert objects.copy(tmp_path, entry)
    key = f"{PREFIX}/{blob.path}"
    for harm in (lambda: bucket.Object(key).delete(), lambda: bucket.Object(key).put(Body=b"rotten")):
        harm()
        assert blobs.is_damaged(blob)
        assert not objects.copy(tmp_path / "new", entry), "what is not whole is not backed up"
        assert objects.restore_one(blob)
        assert blobs.read(blob) == BODY
    assert [found.key for found in bucket.objects.all()] == [key]


def test_two_sites_on_one_bucket_are_found_out(bucket):
    own_store.adopt(ring.current())
    own_store.require()
    StoreOwner.objects.update(site="f" * 32, marked_at=None)
    with pytest.raises(ForeignStore, match="another database's"):
        own_store.require()
    with pytest.raises(ForeignStore):
        orphans.sweep()
    StoreOwner.objects.update(site="e" * 32, marked_at=None)
    own_store.adopt(ring.current())
    own_store.require()
    assert [entry.key for entry in bucket.objects.all()] == [f"{PREFIX}/{own_store.MARKER}"]


def test_a_bucket_with_objects_and_without_a_marker_is_nobodys_new_store(bucket):
    bucket.put_object(Key=f"{PREFIX}/project-1/a/object", Body=b"sealed")
    StoreOwner.objects.update(marked_at=None)
    with pytest.raises(ForeignStore, match="does not know"):
        own_store.require()
