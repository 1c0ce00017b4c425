"""The drill restores the newest backup beside the live site, verifies all of it, says how long that took, and leaves nothing."""

import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone
from prometheus_client import REGISTRY

from mediscan_site.core import notices, tasks, work
from mediscan_site.core.backup import drills, layout, place, scratch
from mediscan_site.core.models import AuditEvent, Backup, Blob, Drill, User
from mediscan_site.core.storage import blobs, room
from tests.core.backup.conftest import first_object, flipped

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def drill_dir(tmp_path, settings):
    settings.DRILL_DIR = str(tmp_path / "drill")
    return tmp_path / "drill"


def drill(identity_file: Path) -> tuple[str, str]:
    out = io.StringIO()
    try:
        call_command("backup", "drill", identity=identity_file, stdout=out, stderr=io.StringIO())
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def scratch_databases() -> list[str]:
    if connection.vendor == "sqlite":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database" if connection.vendor == "postgresql" else "SHOW DATABASES")
        return [name for (name,) in cursor.fetchall() if name.endswith(scratch.SUFFIX) and "hb" in name]


def notice() -> str:
    return " ".join(one.sentence for one in notices.standing() if one.key == drills.NOTICE)


def test_the_newest_backup_is_restored_and_verified_and_the_live_site_is_not_touched(
    make_scan, backup, identity_file, drill_dir, backup_dir, settings, client
):
    image = make_scan(seed=1, label="NORMAL")
    backup()
    make_scan(seed=2)
    before = {path: path.stat().st_mtime_ns for path in backup_dir.rglob("*")}
    keys, users = settings.KEYS_FILE.read_bytes(), User.objects.count()
    said, refusal = drill(identity_file)
    assert refusal == ""
    assert "drill: ok" in said and "3 objects decrypted" in said and "minutes" in said
    row = Drill.objects.get()
    assert (row.status, row.objects_verified, row.backup) == ("succeeded", 3, Backup.objects.get().name)
    assert row.seconds > 0 and row.rows_counted > 5
    assert (settings.KEYS_FILE.read_bytes(), User.objects.count()) == (keys, users)
    assert {path: path.stat().st_mtime_ns for path in backup_dir.rglob("*")} == before
    assert blobs.read(image.blob) and Blob.objects.count() == 6
    assert list(drill_dir.iterdir()) == [] and scratch_databases() == []
    client.get("/healthz")
    assert REGISTRY.get_sample_value("mediscan_drill_age_seconds") < 600
    assert AuditEvent.objects.filter(action="backup.drill").count() == 1


def test_a_backup_that_cannot_be_restored_is_told_until_a_drill_succeeds(
    make_scan, backup, identity_file, drill_dir, admin, client
):
    make_scan(seed=1)
    folder = backup()
    flipped(first_object(folder.parent))
    _, refusal = drill(identity_file)
    assert "missing or damaged" in refusal
    client.force_login(admin)
    assert "restore drill of" in client.get("/").content.decode()
    assert list(drill_dir.iterdir()) == [] and scratch_databases() == []
    flipped(first_object(folder.parent))
    assert drill(identity_file)[1] == ""
    assert notice() == ""


def test_without_room_or_identity_or_backup_it_says_what_to_do(
    backup, backup_dir, identity_file, make_scan, monkeypatch
):
    assert "There is no backup" in drill(identity_file)[1]
    make_scan(seed=1)
    backup()
    with monkeypatch.context() as full:
        full.setattr(scratch.room, "disk", lambda path: room.Disk(path, free=1000, floor=0))
        assert "set DRILL_DIR" in drill(identity_file)[1]
    with pytest.raises(CommandError, match="--identity FILE"):
        call_command("backup", "drill")


def test_the_right_that_is_missing_is_named(monkeypatch):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite needs no rights")

    def refuse(*_: object) -> None:
        raise DatabaseError("access denied")

    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", refuse)
    wanted = "GRANT ALL ON" if connection.vendor == "mysql" else "CREATEDB"
    with pytest.raises(layout.BackupError, match=wanted), scratch.database():
        pass


def made(days_ago: float = 0) -> Backup:
    at = timezone.now() - timedelta(days=days_ago)
    return Backup.objects.create(kind="daily", status="succeeded", created_at=at, verified_at=at)


def rehearsed(days_ago: float, status: str = "succeeded") -> None:
    Drill.objects.create(status=status, created_at=timezone.now() - timedelta(days=days_ago), error="Broken.")


def test_where_the_identity_is_here_one_is_due_each_week(backup_dir, tmp_path, monkeypatch):
    here = tmp_path / "identity.txt"
    monkeypatch.setattr(place, "own_identity", lambda: here)
    assert drills.request_due() is None
    made()
    assert drills.request_due() is None
    here.touch()
    assert drills.request_due() is not None
    assert drills.request_due() is None
    Drill.objects.all().delete()
    rehearsed(6)
    assert drills.request_due() is None
    Drill.objects.update(created_at=timezone.now() - timedelta(days=8))
    assert drills.request_due() is not None


def test_a_failed_one_is_repeated_after_a_day_and_not_at_once(backup_dir, tmp_path, monkeypatch):
    here = tmp_path / "identity.txt"
    here.touch()
    monkeypatch.setattr(place, "own_identity", lambda: here)
    made()
    rehearsed(0.5, "failed")
    assert drills.request_due() is None
    assert "failed: Broken." in notice()
    Drill.objects.update(created_at=timezone.now() - timedelta(days=1.1))
    assert drills.request_due() is not None


def test_where_the_identity_is_kept_elsewhere_administrators_are_told_in_time(
    backup_dir, settings, tmp_path, monkeypatch
):
    monkeypatch.setattr(place, "own_identity", lambda: tmp_path / "none")
    settings.DRILL_DAYS = 30
    made(29)
    drills.request_due()
    assert notice() == ""
    made(31)
    drills.request_due()
    assert "backup drill --identity FILE" in notice()
    rehearsed(1)
    drills.request_due()
    assert notice() == ""


def test_the_clock_wakes_a_worker(backup_dir, tmp_path, monkeypatch):
    here, woken = tmp_path / "identity.txt", []
    here.touch()
    monkeypatch.setattr(place, "own_identity", lambda: here)
    monkeypatch.setattr(work, "send", lambda task, pk: woken.append(task.name))
    made()
    tasks.request_drill()
    assert woken == ["core.run_drill"]


def test_nothing_of_the_live_site_is_named_to_the_rehearsal(tmp_path, monkeypatch, settings):
    for name in drills.FOREIGN:
        monkeypatch.setenv(name, "live")
    environment = drills._environment(tmp_path, "")
    live = {str(settings.DATA_DIR), str(settings.KEYS_FILE), "live", os.environ["MEDISCAN_DATA_DIR"]}
    assert live & set(environment.values()) == set()
