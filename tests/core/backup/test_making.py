"""A backup holds what the database knows, is read back before it gets its name, and never harms the older ones."""

import errno
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from images.services import delete_scan
from mediscan_site.core import audit, tasks, work
from mediscan_site.core.backup import checking, dumps, layout, making, objects, place, sealing, services, signing
from mediscan_site.core.models import AuditEvent, Backup, Blob, User
from mediscan_site.core.storage import ring
from mediscan_site.core.storage.keys import KeyRing
from tests.core.backup.conftest import first_object, flipped

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Path]


def manifest(folder: Path) -> layout.Manifest:
    return checking.manifest_of(folder, trusted=signing.signer(ring.current()))


def listed(folder: Path) -> set[str]:
    return {str(entry.id) for entry in layout.entries(folder / layout.OBJECTS)}


def test_it_holds_every_object_every_row_and_the_head_of_the_audit_chain(make_scan, backup):
    make_scan(seed=1)
    make_scan(seed=2)
    folder = backup()
    found = manifest(folder)
    assert listed(folder) == {str(blob.pk) for blob in Blob.objects.all()} and found.objects == len(listed(folder)) > 1
    assert found.rows["core_user"] == User.objects.count()
    assert found.rows["images_image"] == 2
    # The request for this backup was the last thing sealed before the dump.
    assert found.audit[0] == AuditEvent.objects.get(action="backup.request").seal.seq
    row = Backup.objects.get()
    assert (row.status, row.objects_total, row.objects_copied) == ("succeeded", found.objects, found.objects)
    assert row.verified_at is not None
    for blob in Blob.objects.all():
        copied = layout.object_file(folder.parent, blob.pk).read_bytes()
        with storages["blobs"].open(blob.path) as stored:
            assert copied == stored.read()


def test_the_second_one_copies_only_what_is_new(make_scan, backup):
    make_scan(seed=1)
    backup()
    before = Blob.objects.count()
    make_scan(seed=2)
    backup()
    row = Backup.objects.order_by("-pk")[0]
    assert (row.objects_total, row.objects_copied) == (Blob.objects.count(), Blob.objects.count() - before)


def test_nothing_in_it_can_be_read_without_the_identity(make_scan, backup, identity_file):
    make_scan(seed=1, patient="Kowalska-Testowa")
    folder = backup()
    planted = [
        b"Kowalska",
        b"scan1.jpg",
        b"author",
        b"core_blob",
        json.loads(Path(ring.settings.KEYS_FILE).read_text())["audit"].encode(),
    ]
    for path in folder.parent.rglob("*"):
        data = path.read_bytes() if path.is_file() and path.name != layout.MANIFEST else b""
        assert not [word for word in planted if word in data], path
    assert b"author" not in (folder / layout.MANIFEST).read_bytes()
    dump = io.BytesIO()
    sealing.unseal(folder / layout.DATABASE, dump, sealing.read_identity(identity_file).keys)
    assert len(dump.getvalue()) == manifest(folder).plain_database.size


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the other databases' dumps are piped")
def test_no_copy_of_the_database_is_left_in_memory_not_even_that_of_a_killed_backup(backup, admin, monkeypatch):
    left = dumps.RAM_FOLDER / f"mediscan-backup-{signing.signer(ring.current())[:16]}-left"
    left.mkdir()
    (left / "db").write_bytes(b"SQLite format 3")
    backup()
    assert not list(dumps.RAM_FOLDER.glob(f"{left.name[:-4]}*"))
    monkeypatch.setattr(dumps.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(CommandError, match="has no room for a copy of the database"):
        backup()


def test_a_scan_that_is_erased_while_the_backup_runs_is_named_and_no_error(make_scan, admin, backup, monkeypatch):
    kept, gone = make_scan(seed=1), make_scan(seed=2)
    doomed = str(gone.blob_id)
    present = objects.present

    def erase_after_the_dump(*arguments):
        found = list(present(*arguments))
        delete_scan(actor=admin, image=gone)
        return iter(found)

    monkeypatch.setattr(objects, "present", erase_after_the_dump)
    folder = backup()
    assert doomed in manifest(folder).erased
    assert doomed not in listed(folder)
    assert str(kept.blob_id) in listed(folder)
    assert manifest(folder).damaged == []


def test_an_erased_scan_leaves_the_older_backups_too(make_scan, admin, backup):
    image, other = make_scan(seed=1), make_scan(seed=2)
    first = backup()
    path = layout.object_file(first.parent, image.blob_id)
    assert path.is_file()
    delete_scan(actor=admin, image=image)
    backup()
    assert not path.exists()
    assert layout.object_file(first.parent, other.blob_id).is_file()
    # The older one is still a good backup: it is known why its object is gone.
    services.verify_backup(folder=first, identity=None)


def test_a_damaged_stored_object_does_not_stop_the_backup_of_everything_else(make_scan, backup):
    image = make_scan(seed=1)
    flipped(Path(storages["blobs"].path(image.blob.path)))
    folder = backup()
    assert manifest(folder).damaged == [str(image.blob_id)]
    assert "Run verify_images" in Backup.objects.get().error


def test_an_object_that_rotted_in_the_backup_is_copied_again(make_scan, backup):
    make_scan(seed=1)
    folder = backup()
    rotten = first_object(folder.parent)
    whole = rotten.read_bytes()
    flipped(rotten)
    with pytest.raises(CommandError, match="missing or damaged"):
        call_command("backup", verify="", stdout=io.StringIO())
    backup()
    assert rotten.read_bytes() == whole
    call_command("backup", verify=folder.name, stdout=io.StringIO())


def test_a_full_disk_is_said_so_and_leaves_the_older_backups_whole(make_scan, backup, monkeypatch, caplog):
    make_scan(seed=1)
    first = backup()
    before = {path: path.read_bytes() for path in first.parent.rglob("*") if path.is_file()}
    make_scan(seed=2)

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(objects, "_copied", full)
    with pytest.raises(CommandError, match="BACKUP_DIR is full"):
        backup()
    # In words: a traceback would hide them from whoever typed the command.
    assert [bool(one.exc_info) for one in caplog.records if "failed" in one.getMessage()] == [False]
    assert {path: path.read_bytes() for path in first.parent.rglob("*") if path.is_file()} == before
    row = Backup.objects.order_by("-pk")[0]
    assert (row.status, row.verified_at) == ("failed", None)
    monkeypatch.undo()
    services.verify_backup(folder=first, identity=None)


def test_what_a_killed_worker_left_is_cleared_and_the_row_is_done_again(backup_dir, admin):
    (backup_dir / f"{layout.PARTIAL}20260101T000000Z-daily").mkdir()
    row = services.request_backup(actor=admin)
    work.claim(Backup, row.pk)
    Backup.objects.filter(pk=row.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))
    tasks.sweep_work()
    tasks.run_backup(row.pk)
    row.refresh_from_db()
    assert (row.status, row.attempt) == ("succeeded", 2)
    assert not list(backup_dir.glob(f"{layout.PARTIAL}*"))


def test_a_cancelled_backup_leaves_nothing(backup_dir, make_scan, admin, monkeypatch):
    make_scan(seed=1)
    row = services.request_backup(actor=admin)
    monkeypatch.setattr(work.Pulse, "should_stop", lambda self: True)
    making.run(row.pk)
    row.refresh_from_db()
    assert row.status == "cancelled"
    assert AuditEvent.objects.order_by("-id")[0].action == "backup.cancel"
    assert layout.folders(backup_dir) == [] and not list(backup_dir.glob(f"{layout.PARTIAL}*"))


def test_two_backups_do_not_run_at_once(backup_dir, backup, admin):
    with place.held(), pytest.raises(CommandError, match="at work on BACKUP_DIR"):
        backup()


def test_the_folder_of_another_site_is_refused(backup_dir, backup, admin, tmp_path):
    other = KeyRing.create(tmp_path / "other.json")
    (backup_dir / "signer").write_text(signing.signer(other))
    with pytest.raises(CommandError, match="another site"):
        backup()


def test_a_folder_that_is_not_there_is_not_made(backup_dir, backup, admin):
    backup_dir.rmdir()
    with pytest.raises(CommandError, match=r"does not exist\. Mount it"):
        backup()
    assert not backup_dir.exists()


def test_the_newest_seven_days_five_weeks_and_all_manual_ones_are_kept(backup, backup_dir, admin, monkeypatch):
    monkeypatch.setattr(making, "KEEP", {"daily": 2, "weekly": 1})
    moment = datetime.fromisoformat("2026-03-01T01:00:00+00:00")
    for day, kind in enumerate(["weekly", "manual", "daily", "daily", "weekly", "daily"]):
        monkeypatch.setattr(making.timezone, "now", lambda day=day: moment + timedelta(days=day))
        backup(kind)
    assert [path.name.split("-")[1] for path in layout.folders(backup_dir)] == ["manual", "daily", "weekly", "daily"]


def test_without_recipients_nothing_is_made(settings, backup_dir, backup, admin):
    settings.BACKUP_RECIPIENTS, settings.EMBEDDED = [], False
    with pytest.raises(CommandError, match="age-keygen"):
        backup()
    settings.BACKUP_RECIPIENTS = ["age1" + "q" * 58]
    with pytest.raises(CommandError, match="is not an age recipient"):
        backup()
    assert layout.folders(backup_dir) == []


def test_the_embedded_mode_makes_an_identity_once_and_says_so(settings, backup_dir, tmp_path, admin):
    settings.BACKUP_RECIPIENTS, settings.EMBEDDED = [], True
    keys = tmp_path / "keys" / "keys.json"
    keys.parent.mkdir()
    keys.write_bytes(settings.KEYS_FILE.read_bytes())
    keys.chmod(0o600)
    settings.KEYS_FILE = keys
    said = io.StringIO()
    call_command("backup", stdout=io.StringIO(), stderr=said)
    made = keys.parent / "backup-identity.txt"
    assert "move it to a safe place" in said.getvalue() and made.stat().st_mode & 0o777 == 0o600
    made.rename(tmp_path / "moved-away.txt")
    said = io.StringIO()
    call_command("backup", stdout=io.StringIO(), stderr=said)
    assert not made.exists() and said.getvalue() == ""
    newest = layout.folders(backup_dir)[-1]
    services.verify_backup(folder=newest, identity=sealing.read_identity(tmp_path / "moved-away.txt"))


def test_the_audit_log_tells_of_it(backup, admin):
    backup()
    assert audit.verify() is None
    assert set(AuditEvent.objects.filter(action__startswith="backup.").values_list("action", flat=True)) == {
        "backup.request",
        "backup.create",
    }
