"""A full disk: what is large is refused in words, what is small and reading go on, and administrators are told."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, IntegrityError, OperationalError
from prometheus_client import REGISTRY

from mediscan_site.core import notices
from mediscan_site.core.errors import StorageFull, is_full, translate
from mediscan_site.core.models import AuditEvent
from mediscan_site.core.storage import blobs, room
from tests.conftest import PASSWORD, scan_bytes

GIB = 2**30
pytestmark = pytest.mark.django_db


@pytest.fixture
def disk(monkeypatch, settings):
    """`disk(free)`: so many bytes are left of 100 GiB, of which the default floor is 1 GiB."""
    settings.DISK_FLOOR_BYTES = -1

    def leave(free: int, total: int = 100 * GIB) -> None:
        found = SimpleNamespace(f_bavail=free, f_blocks=total, f_frsize=1)
        monkeypatch.setattr(room.os, "statvfs", lambda path: found)

    return leave


def upload(client, project, data: bytes):
    client.raise_request_exception = False
    return client.post("/api/v1/images/", {"project": project.pk, "file": SimpleUploadedFile("a.jpg", data)})


@pytest.mark.parametrize(("free", "taken"), [(2 * GIB, True), (GIB + 10**6, True), (GIB, False), (1000, False)])
def test_a_scan_is_taken_until_the_floor_and_then_refused_with_the_remedy(free, taken, disk, api, author, project):
    disk(free)
    answer = upload(api(author), project, scan_bytes(1))
    assert answer.status_code == (201 if taken else 507)
    if not taken:
        error = answer.json()["errors"][0]
        assert error["code"] == "storage_full" and "Ask an administrator to make room" in error["detail"]
        assert int(answer.headers["Retry-After"]) > 0


def test_a_small_disk_keeps_a_part_and_the_setting_says_otherwise(disk, settings):
    disk(600 * 2**20, total=10 * GIB)
    assert not room.is_short()
    disk(500 * 2**20, total=10 * GIB)
    assert room.is_short()
    settings.DISK_FLOOR_BYTES = 10**6
    assert not room.is_short()


def test_a_large_body_is_refused_before_it_is_read_on_every_page(disk, client, author, project, monkeypatch):
    disk(GIB + 3 * 2**20)
    big = SimpleUploadedFile("big.zip", bytes(5 * 2**20))
    client.force_login(author)
    assert client.post("/login/", {"file": big}).status_code == 507
    client.get("/")
    client.handler.enforce_csrf_checks = True
    big.seek(0)
    answer = client.post(f"/projects/{project.pk}/upload/", {"file": big})
    assert answer.status_code == 507 and "make room" in answer.content.decode()


def test_a_disk_that_fills_up_while_a_body_arrives_is_said_in_the_same_words(disk, api, author, project, monkeypatch):
    import errno

    from mediscan_site.core.storage.uploads import _Spool

    def full(self, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_Spool, "add", full)
    assert upload(api(author), project, scan_bytes(1)).status_code == 507


def test_a_stream_stops_at_the_floor_and_leaves_nothing(disk):
    class Filling(io.RawIOBase):
        left = 3

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            disk(2 * GIB if self.left else 1000)
            return bytes(2**20)

    disk(2 * GIB)
    root = Path(storages["blobs"].location)
    before = set(root.rglob("*"))
    with pytest.raises(StorageFull):
        blobs.write(Filling(), namespace="project-1", content_type="x/y")
    assert [path for path in set(root.rglob("*")) - before if path.is_file()] == []


def test_signing_in_reading_and_the_audit_trail_go_on(disk, client, make_scan, author, api):
    image = make_scan(seed=1)
    disk(GIB - 1)
    assert client.post("/login/", {"username": "author", "password": PASSWORD}).status_code == 302
    assert client.get(f"/scans/{image.pk}/").status_code == 200
    assert api(author).get(f"/api/v1/images/{image.pk}/rendition/").status_code == 200
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert "scan.open" in actions and any("login" in action for action in actions)


def test_readiness_figure_and_notice_say_so_until_there_is_room(disk, client, admin):
    disk(GIB // 2)
    room.watch()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["parts"]["disk"]) == (503, "full")
    assert REGISTRY.get_sample_value("mediscan_disk_room_bytes") == -GIB // 2
    client.force_login(admin)
    assert "0.50 GiB are left" in client.get("/").content.decode()
    disk(2 * GIB)
    room.watch()
    assert notices.standing() == []
    assert client.get("/readyz").json()["parts"]["disk"] == "ok"


def test_what_waits_for_room_waits_for_more_than_the_floor(disk):
    disk(GIB + GIB // 8)
    assert not room.is_short() and room.is_tight()


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("database or disk is full"),
        OperationalError(1114, "The table 'core_auditevent' is full"),
        OperationalError(1021, "Disk full (/tmp); waiting for someone to free some space..."),
        DatabaseError(3, 'Error writing file (Errcode: 28 "No space left on device")'),
        OSError(28, "No space left on device"),
    ],
    ids=str,
)
def test_a_full_disk_is_called_by_its_name(error):
    known = translate(error)
    assert known is not None and (known.status, known.code) == (507, "storage_full")


@pytest.mark.parametrize("error", [OperationalError("database is locked"), IntegrityError("x"), OSError(2, "gone")])
def test_other_errors_are_not_called_a_full_disk(error):
    assert not is_full(error)
