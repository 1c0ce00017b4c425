"""What was answered is on the disk, or administrators know why it may not be."""

import os
import re
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db import connections as all_connections

from images.models import Image, Metadata, Rendition
from images.services import ScanFacts
from labeling.imports.services import upload_scan
from labeling.models import ImportFile, Label, Reference
from mediscan_site import connections
from mediscan_site.core import database, durability, notices
from mediscan_site.core.models import Blob, Notice
from tests.conftest import PATIENCE_S, scan_bytes
from tests.labeling.imports.test_imports import bring

TIGHT = {
    "mysql": {
        "innodb_flush_log_at_trx_commit": "1",
        "log_bin": "ON",
        "sync_binlog": "1",
        "innodb_doublewrite": "ON",
    },
    "postgresql": {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"},
}


def judged(vendor: str, **changed: str) -> list[str]:
    return durability.judged(durability._SERVERS[vendor][0], {**TIGHT[vendor], **changed})


@pytest.mark.parametrize(
    ("vendor", "changed"),
    [
        ("mysql", {"innodb_flush_log_at_trx_commit": "2"}),
        ("mysql", {"innodb_flush_log_at_trx_commit": "0"}),
        ("mysql", {"sync_binlog": "0"}),
        ("mysql", {"innodb_doublewrite": "OFF"}),
        ("mysql", {"innodb_doublewrite": "DETECT_ONLY"}),
        ("postgresql", {"fsync": "off"}),
        ("postgresql", {"synchronous_commit": "off"}),
        ("postgresql", {"full_page_writes": "off"}),
    ],
)
def test_a_server_that_may_lose_what_it_answered_is_named_with_its_remedy(vendor, changed):
    (sentence,) = judged(vendor, **changed)
    name = next(iter(changed))
    assert f"The database server has {name}={changed[name]}" in sentence
    assert f"Set {name}=" in sentence


@pytest.mark.parametrize(
    ("vendor", "changed"),
    [
        ("mysql", {}),
        ("mysql", {"log_bin": "OFF", "sync_binlog": "0"}),
        ("mysql", {"innodb_doublewrite": "DETECT_AND_RECOVER"}),
        ("postgresql", {}),
        ("postgresql", {"synchronous_commit": "remote_apply"}),
        ("postgresql", {"synchronous_commit": "local"}),
    ],
)
def test_a_server_that_writes_before_it_answers_is_not(vendor, changed):
    assert judged(vendor, **changed) == []


@pytest.mark.django_db
def test_the_notice_stands_until_the_server_is_set_right(monkeypatch):
    monkeypatch.setattr(durability, "weaknesses", lambda: ["Set this."])
    durability.note()
    assert [row.sentence for row in notices.standing()] == ["Set this."]
    monkeypatch.setattr(durability, "weaknesses", list)
    durability.note()
    assert not Notice.objects.exists()


@pytest.mark.django_db
def test_the_check_asks_the_server_that_there_is(monkeypatch, capsys):
    call_command("check", databases=["default"], tags=["mediscan"])
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
        assert "synchronous_commit=off" in durability.weaknesses()[0]


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="a setting of SQLite")
def test_sqlite_syncs_each_commit():
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_address_with_sqlite_gets_the_same(tmp_path):
    for url in ("", f"sqlite:///{tmp_path}/other.sqlite3"):
        options = connections.database(url, tmp_path / "db.sqlite3")["OPTIONS"]
        assert "synchronous=FULL" in options["init_command"]


COMMITS = """
import django
django.setup()
from django.core.management import call_command
from django.db import connection, transaction
call_command("migrate", verbosity=0)
from mediscan_site.core.models import Notice
import os
Notice.objects.create(key="warm", sentence="up")
for number in range(5):
    os.write(2, b"ASKED %d\\n" % number)
    with transaction.atomic():
        Notice.objects.create(key=str(number), sentence="kept")
    os.write(2, b"ANSWERED %d\\n" % number)
"""


def test_each_commit_is_synced_before_it_is_answered(tmp_path):
    """By the system calls of a process of its own: between the question and the answer the log of the database is synced."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: the system calls cannot be seen")
    trace = tmp_path / "trace"
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "mediscan_site.settings",
        "MEDISCAN_DATA_DIR": str(tmp_path / "data"),
        "MEDISCAN_KEYS_FILE": str(tmp_path / "keys.json"),
        "DATABASE_URL": "",
    }
    calls = "trace=write,fsync,fdatasync"
    done = subprocess.run(
        [strace, "-f", "-y", "-s", "40", "-e", calls, "-o", str(trace), sys.executable, "-c", COMMITS],
        cwd=settings.BASE_DIR,
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    asked = re.split(r'"ASKED \d', Path(trace).read_text())[1:]
    assert len(asked) == 5
    for lines in asked:
        before_the_answer = lines.split('"ANSWERED')[0]
        assert re.search(r"f(data)?sync\(\d+<[^>]*db\.sqlite3-wal>\)\s*= 0", before_the_answer), before_the_answer


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["upload", "import"])
def test_the_objects_of_a_scan_and_their_folders_are_on_the_disk_before_its_rows_are_committed(
    way, author, project, monkeypatch
):
    """Seen by the calls: every file and folder was synced when the transaction with its row ends."""
    synced, late = set(), []
    real_sync, real_commit = os.fsync, type(all_connections["default"])._commit

    def sync(descriptor):
        real_sync(descriptor)
        synced.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    def commit(self):
        root = Path(settings.STORAGES["blobs"]["OPTIONS"]["location"])
        paths = [*Image.objects.values_list("blob__path", flat=True)]
        for path in [*paths, *Rendition.objects.values_list("blob__path", flat=True)]:
            late.extend({str(root / path), str((root / path).parent)} - synced)
        return real_commit(self)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(type(all_connections["default"]), "_commit", commit)
    if way == "upload":
        upload_scan(actor=author, project=project, source=BytesIO(scan_bytes(1)), file_name="a.jpg", facts=ScanFacts())
    else:
        bring(author, project, {"NORMAL/a.jpg": scan_bytes(1), "NORMAL/b.jpg": scan_bytes(2)})
    assert Image.objects.count() == (1 if way == "upload" else 2)
    assert len(synced) >= 3 and late == []


@pytest.mark.django_db
def test_rows_written_with_prepared_columns_are_those_that_django_would_write(author, project):
    """Each column of each table that an import fills, beside `bulk_create`."""
    bring(author, project, {"NORMAL/a.jpg": scan_bytes(1), "OPACITY/b.jpg": scan_bytes(2)})
    for model in (Blob, Metadata, Rendition, Label, Reference, ImportFile):
        table = database._table(model, connection.vendor, False, False, False)
        for row in model.objects.all():
            django = [
                field.get_db_prep_save(field.pre_save(row, add=False), connection)
                for field in model._meta.local_concrete_fields
            ]
            assert [_bare(value) for value in table.values(row, connection)] == [_bare(value) for value in django]


def _bare(value):
    """PostgreSQL's driver has bytes in a wrapper that equals nothing else."""
    return getattr(value, "obj", value)
