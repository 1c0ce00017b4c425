"""Every damaged object is found, named, quarantined and put back while others write; what was found is told until it is mended."""

import errno
import io
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone
from prometheus_client import REGISTRY

from mediscan_site.core import audit, notices
from mediscan_site.core.errors import Unavailable
from mediscan_site.core.models import AuditEvent, Blob
from mediscan_site.core.storage import blobs, verification
from mediscan_site.core.storage.envelope import DamagedObject
from tests.conftest import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)
OBJECTS, WRITERS = 420, 3


@pytest.fixture(autouse=True)
def backup_folder(tmp_path, settings):
    folder = tmp_path / "backups"
    folder.mkdir()
    settings.BACKUP_DIR = str(folder)
    return folder


def stored(count: int) -> list[Blob]:
    rows = [
        blobs.write(f"object {number}".encode(), namespace="project-1", content_type="x/y") for number in range(count)
    ]
    Blob.objects.bulk_create(rows)
    return rows


def file_of(blob: Blob) -> Path:
    return Path(storages["blobs"].path(blob.path))


def harmed(rows: list[Blob], backup_folder: Path) -> list[str]:
    """One bit of each turned round; a backup has them whole."""
    for blob in rows:
        path, whole = file_of(blob), file_of(blob).read_bytes()
        kept = backup_folder / "objects" / blob.pk.hex[:2] / str(blob.pk)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(whole)
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    return sorted(str(blob.pk) for blob in rows)


@pytest.fixture
def busy_site():
    """Three others commit all the time, as a site in use does."""
    enough, failures = threading.Event(), []

    def write() -> None:
        try:
            while not enough.is_set():
                with transaction.atomic():
                    audit.record("test.write", actor=None)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    yield
    enough.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert failures == []


def verified(**options) -> tuple[str, str]:
    out = io.StringIO()
    try:
        call_command("verify_images", stdout=out, **options)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def named(said: str, word: str) -> list[str]:
    lines = [line for line in said.splitlines() if line.startswith(f"{word}:")]
    return sorted(line.rpartition("(object ")[2].rstrip(")") for line in lines)


def quarantined() -> list[str]:
    return sorted(map(str, Blob.objects.filter(quarantined_at__isnull=False).values_list("pk", flat=True)))


def events(action: str) -> list[str]:
    return sorted(AuditEvent.objects.filter(action=action).values_list("object_id", flat=True))


def test_on_a_site_in_use_every_damaged_object_is_named_and_quarantined_and_then_put_back(busy_site, backup_folder):
    rows = stored(OBJECTS)
    bad = harmed(rows[:: OBJECTS // 12], backup_folder)
    said, refusal = verified()
    assert (named(said, "damaged"), quarantined(), events("object.damaged")) == (bad, bad, bad)
    assert f"{len(bad)} of {OBJECTS} stored objects are damaged" in refusal
    said, refusal = verified(restore_from_backup=True)
    assert (named(said, "restored"), refusal) == (bad, "")
    assert (quarantined(), events("object.released"), events("object.restore")) == ([], bad, bad)
    assert [blobs.read(blob) for blob in rows] == [f"object {number}".encode() for number in range(OBJECTS)]


def test_damage_that_is_restored_in_the_same_run_is_in_the_audit_trail_too(busy_site, backup_folder):
    rows = stored(OBJECTS)
    bad = harmed(rows[:: OBJECTS // 12], backup_folder)
    said, refusal = verified(restore_from_backup=True)
    assert (named(said, "restored"), refusal) == (bad, "")
    assert events("object.damaged") == events("object.released") == bad


def broken(path: Path, how: str) -> None:
    whole = path.read_bytes()
    path.unlink()
    if how == "flip":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif how == "cut":
        path.write_bytes(whole[:-20])
    elif how == "long":
        path.write_bytes(whole + b"x")
    elif how == "folder":
        path.mkdir()


@pytest.mark.parametrize("how", ["flip", "cut", "long", "lose", "folder"])
def test_whoever_reads_a_damaged_object_marks_it_and_tells_until_it_is_whole_again(how, admin, client):
    blob, other = stored(2)
    path, whole = file_of(blob), file_of(blob).read_bytes()
    broken(path, how)
    for _ in range(3):
        with pytest.raises(DamagedObject):
            blobs.read(blob)
    assert (quarantined(), events("object.damaged")) == ([str(blob.pk)], [str(blob.pk)])
    assert blobs.read(other)
    client.force_login(admin)
    said = client.get("/").content.decode()
    assert "1 stored object is damaged and refused" in said and "verify_images --restore-from-backup" in said
    assert REGISTRY.get_sample_value("mediscan_objects_quarantined") == 1
    if how == "folder":
        path.rmdir()
    path.write_bytes(whole)
    verification.verify_part()
    assert (quarantined(), events("object.released"), notices.standing()) == ([], [str(blob.pk)], [])
    assert REGISTRY.get_sample_value("mediscan_objects_quarantined") == 0


def test_a_disk_that_cannot_read_a_sector_is_damage_and_one_that_refuses_us_is_not(monkeypatch):
    blob = stored(1)[0]

    def failing(number: int):
        def fail(*_: object) -> None:
            raise OSError(number, "no")

        return fail

    monkeypatch.setattr(storages["blobs"], "open", failing(errno.EACCES))
    with pytest.raises(Unavailable, match="cannot be read"):
        blobs.read(blob)
    assert quarantined() == []
    monkeypatch.setattr(storages["blobs"], "open", failing(errno.EIO))
    with pytest.raises(DamagedObject):
        blobs.read(blob)
    assert quarantined() == [str(blob.pk)]


def test_a_store_that_is_not_mounted_is_no_damage(monkeypatch, tmp_path):
    blob = stored(1)[0]
    empty = tmp_path / "not mounted"
    empty.mkdir()
    with monkeypatch.context() as away:
        away.setattr(storages["blobs"], "location", str(empty))
        with pytest.raises(Unavailable, match="mount"):
            blobs.read(blob)
        with pytest.raises(CommandError, match="mount"):
            call_command("verify_images", stdout=io.StringIO())
        verification.verify_part()
        assert [notice.key for notice in notices.standing()] == [verification.AWAY]
    verification.verify_part()
    assert (quarantined(), notices.standing()) == ([], [])


def test_the_hours_see_every_object_within_the_days_and_the_longest_unseen_first(settings):
    settings.VERIFY_DAYS = 1
    rows = stored(48)
    for number, blob in enumerate(rows):
        Blob.objects.filter(pk=blob.pk).update(checked_at=timezone.now() - timedelta(days=100 - number))
    first, last = rows[0], rows[-1]
    for blob in (first, last):
        broken(file_of(blob), "flip")
    verification.verify_part()
    assert quarantined() == [str(first.pk)]
    began = timezone.now()
    for _ in range(23):
        verification.verify_part()
    assert quarantined() == sorted([str(first.pk), str(last.pk)])
    assert not Blob.objects.filter(checked_at__lt=began - timedelta(hours=1)).exists()


def test_an_object_that_is_erased_while_it_is_looked_at_is_not_damaged(monkeypatch):
    stored(1)
    whole = blobs.is_damaged

    def erased_meanwhile(row: Blob) -> bool:
        blobs.erase(row)
        return whole(row)

    monkeypatch.setattr(blobs, "is_damaged", erased_meanwhile)
    assert verified()[1] == ""
    assert events("object.damaged") == []
