"""An import that finds no room waits for it and goes on by itself; nothing is doubled and nothing is called a failure."""

import os
import subprocess
from types import SimpleNamespace

import pytest
from django.core.files.storage import storages

from images.models import Image
from labeling.imports import stream, worker
from labeling.models import Import
from mediscan_site.core import pausing
from mediscan_site.core.storage import blobs, own_store, ring, room
from tests.conftest import scan_bytes
from tests.labeling.imports.test_imports import bring

pytestmark = pytest.mark.django_db
COUNT = 6
FILES = {f"NORMAL/{number}.jpg": scan_bytes(number) for number in range(COUNT)}


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch):
    monkeypatch.setattr(stream, "GROUP", 2)


@pytest.fixture
def disk(monkeypatch, settings):
    settings.DISK_FLOOR_BYTES = 1000

    def leave(free: int) -> None:
        monkeypatch.setattr(room.os, "statvfs", lambda path: SimpleNamespace(f_bavail=free, f_blocks=1, f_frsize=1))

    return leave


def seen(api, author, batch: Import) -> tuple[str, bool, str]:
    shown = api(author).get(f"/api/v1/imports/{batch.pk}/").json()
    return shown["status"], shown["paused"], shown["error"]


def test_it_pauses_in_the_middle_says_so_and_goes_on_when_there_is_room(
    disk, api, client, author, project, monkeypatch, blob_files
):
    disk(10**9)
    batch = bring(author, project, FILES, run=False)
    real, stored = blobs.write, []

    def filling(data, **options):
        stored.append(data)
        if len(stored) > 12:
            disk(10)
        return real(data, **options)

    with monkeypatch.context() as filled:
        filled.setattr(blobs, "write", filling)
        worker.run(batch.pk)
    assert seen(api, author, batch) == ("queued", True, pausing.WAITS_FOR_ROOM)
    assert 0 < Image.objects.count() < COUNT
    client.force_login(author)
    assert "goes on by itself" in client.get(f"/imports/{batch.pk}/").content.decode()
    for _ in range(10):
        worker.run(batch.pk)
    batch.refresh_from_db()
    assert (batch.status, batch.attempt) == ("queued", 0)

    disk(10**9)
    worker.run(batch.pk)
    assert seen(api, author, batch) == ("succeeded", False, "")
    assert Image.objects.count() == COUNT


@pytest.fixture
def small_disk(tmp_path, monkeypatch, db):
    """The stored objects on a disk of their own of 1 MiB; `grow()` makes it larger."""
    place = tmp_path / "small"
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False).returncode
    ):
        pytest.skip("a small disk can be mounted by root only")
    monkeypatch.setattr(storages["blobs"], "location", str(place))
    own_store.forget()
    own_store.adopt(ring.current())
    try:
        yield SimpleNamespace(grow=lambda: subprocess.run(["mount", "-o", "remount,size=64m", place], check=True))
    finally:
        monkeypatch.undo()
        own_store.forget()
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("floor", [0, 100_000], ids=["written full", "stopped at the floor"])
def test_on_a_disk_that_is_really_full_too(small_disk, settings, api, author, project, floor):
    settings.DISK_FLOOR_BYTES = floor
    batch = bring(author, project, {f"NORMAL/{number}.jpg": scan_bytes(number) for number in range(20)}, run=False)
    worker.run(batch.pk)
    assert seen(api, author, batch) == ("queued", True, pausing.WAITS_FOR_ROOM)
    small_disk.grow()
    worker.run(batch.pk)
    assert seen(api, author, batch)[0] == "succeeded"
    assert Image.objects.count() == 20
