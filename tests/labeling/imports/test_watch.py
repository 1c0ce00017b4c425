"""A watched folder: what is taken in and when, what is remembered, and that the hospital's files stay as they are."""

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from images.models import Image
from images.services import delete_scan, revoke
from labeling.imports.watching import Watch
from labeling.models import Import, WatchedFile
from mediscan_site.core.errors import Forbidden, Unavailable
from tests.conftest import PATIENCE_S, scan_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "from-the-ward"
    made.mkdir()
    return made


def lay(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def watch(folder, author, project):
    """A watch with its lines in `told` and `complained`; two looks take in what has stopped changing."""

    def make(**options):
        told: list[str] = []
        complained: list[str] = []
        values = {"actor": author, "project": project, "folder": folder, "settle_s": 0.0, **options}
        made = Watch(tell=told.append, complain=complained.append, **values)
        made.told, made.complained = told, complained
        return made

    return make


def twice(watch):
    watch.look()
    watch.look()
    return watch


def scans() -> list[tuple[str, str | None, str | None]]:
    rows = Image.objects.order_by("file_name").values_list("file_name", "label_class__name", "split")
    return list(rows)


def test_files_become_scans_with_the_label_of_their_class_folder(folder, watch, author):
    lay(folder, "plain.jpg", scan_bytes(1))
    lay(folder, "NORMAL/n.jpg", scan_bytes(2))
    lay(folder, "test/OPACITY/t.jpg", scan_bytes(3))
    lay(folder, "2026/11/ward 7/deep.jpg", scan_bytes(4))
    lay(folder, "ward/val/NORMAL/v.jpg", scan_bytes(5))
    seen = twice(watch())
    assert scans() == [
        ("deep.jpg", None, None), ("n.jpg", "NORMAL", None), ("plain.jpg", None, None),
        ("t.jpg", "OPACITY", "test"), ("v.jpg", "NORMAL", "val"),
    ]  # fmt: skip
    assert set(Image.objects.exclude(annotator=None).values_list("annotator", flat=True)) == {author.pk}
    assert (len(seen.told), seen.complained) == (5, [])


def test_nothing_in_the_folder_is_touched(folder, watch):
    paths = [lay(folder, "a.jpg", scan_bytes(1)), lay(folder, "bad.jpg", b"no picture")]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    twice(watch())
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths] == before
    assert sorted(folder.iterdir()) == sorted(paths)


def test_a_file_that_grows_is_left_until_it_stands_still(folder, watch):
    data, seen = scan_bytes(1), watch()
    for end in (100, 1000, len(data)):
        lay(folder, "a.jpg", data[:end])
        seen.look()
        assert not Image.objects.exists()
    seen.look()
    assert scans() == [("a.jpg", None, None)]
    assert seen.complained == []


def test_it_must_stand_still_for_as_long_as_asked(folder, watch):
    lay(folder, "a.jpg", scan_bytes(1))
    seen = watch(settle_s=3600)
    twice(seen)
    assert (Image.objects.count(), list(seen.growing)) == (0, ["a.jpg"])
    seen.growing = {path: (state, since - 3600) for path, (state, since) in seen.growing.items()}
    seen.look()
    assert (Image.objects.count(), seen.growing) == (1, {})


def test_after_a_restart_nothing_is_read_again(folder, watch):
    lay(folder, "a.jpg", scan_bytes(1))
    lay(folder, "bad.jpg", b"no picture")
    twice(watch())
    again = twice(watch())
    assert (again.told, again.complained, again.growing) == ([], [], {})


def test_an_erased_scan_does_not_come_back_from_the_folder(folder, watch, admin):
    lay(folder, "a.jpg", scan_bytes(1))
    twice(watch())
    delete_scan(actor=admin, image=Image.objects.get())
    twice(watch())
    assert not Image.objects.filter(erased_at=None).exists()


def test_a_refused_file_is_named_once_and_tried_again_when_it_changes(folder, watch):
    lay(folder, "ward/cut.jpg", scan_bytes(1)[:2000])
    seen = twice(twice(watch()))
    assert len(seen.complained) == 1
    assert seen.complained[0].startswith("ward/cut.jpg: truncated: ")
    assert (WatchedFile.objects.get().outcome, WatchedFile.objects.get().code) == ("rejected", "truncated")
    lay(folder, "ward/cut.jpg", scan_bytes(1))
    twice(seen)
    assert scans() == [("cut.jpg", None, None)]
    assert WatchedFile.objects.get().outcome == "created"


def test_equal_bytes_are_one_scan(folder, watch):
    lay(folder, "a.jpg", scan_bytes(1))
    lay(folder, "b.jpg", scan_bytes(1))
    seen = twice(watch())
    assert Image.objects.count() == 1
    assert sorted(WatchedFile.objects.values_list("outcome", flat=True)) == ["created", "duplicate"]
    assert seen.told[1].endswith("duplicate")


def test_a_zip_becomes_an_import(folder, watch, project):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("NORMAL/a.jpg", scan_bytes(1))
        made.writestr("NORMAL/bad.jpg", b"no picture")
    lay(folder, "many.bin", out.getvalue())
    queued = twice(watch())
    assert queued.told == [f"many.bin: import {Import.objects.get().pk} queued"]
    assert not Image.objects.exists()
    Import.objects.all().delete()
    WatchedFile.objects.all().delete()
    worked = twice(watch(work_imports=True))
    assert worked.told == [f"many.bin: import {Import.objects.get().pk} succeeded"]
    assert worked.complained[0].startswith("NORMAL/bad.jpg: ")
    assert scans() == [("a.jpg", "NORMAL", None)]


def test_what_is_no_scan_by_its_name_and_links_are_passed_over(folder, watch, tmp_path):
    for name in (".hidden.jpg", "a.jpg.part", "b.tmp", "README.txt", "Thumbs.db", ".git/x.jpg", "__MACOSX/y.jpg"):
        lay(folder, name, scan_bytes(1))
    outside = lay(tmp_path, "elsewhere/secret.jpg", scan_bytes(2))
    (folder / "link.jpg").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)
    os.mkfifo(folder / "pipe.jpg")
    seen = twice(watch())
    assert (Image.objects.count(), seen.told, seen.complained, seen.growing) == (0, [], [], {})


def test_a_labels_file_is_refused_with_the_way_out(folder, watch):
    lay(folder, "labels.csv", b"image_id,label\n")
    assert "labels.csv: unexpected_labels_file: " in twice(watch()).complained[0]


def test_a_folder_that_is_away_is_said_once_and_waited_for(folder, watch):
    lay(folder, "a.jpg", scan_bytes(1))
    seen, away = watch(), folder.with_name("unmounted")
    folder.rename(away)
    twice(seen)
    assert len(seen.complained) == 1
    away.rename(folder)
    twice(seen)
    assert Image.objects.count() == 1


def test_with_the_decoder_away_nothing_is_remembered(folder, watch, monkeypatch):
    def away(**_) -> None:
        raise Unavailable("The decoder is away.")

    lay(folder, "a.jpg", scan_bytes(1))
    seen = watch()
    with monkeypatch.context() as broken:
        broken.setattr("labeling.imports.watching.upload_scan", away)
        twice(twice(seen))
    assert (len(seen.complained), WatchedFile.objects.count()) == (1, 0)
    twice(seen)
    assert Image.objects.count() == 1


def test_no_path_is_stored_in_the_clear(folder, watch):
    lay(folder, "Jane Roe.jpg", b"no picture")
    twice(watch())
    row = WatchedFile.objects.get()
    assert "Jane" not in f"{row.digest}{row.code}"


def test_who_may_no_longer_upload_ends_the_watch(folder, watch, author, admin, project):
    lay(folder, "a.jpg", scan_bytes(1))
    seen = watch()
    seen.look()
    revoke(actor=admin, project=project, user=author, codename="upload_image")
    with pytest.raises(Forbidden):
        seen.look()
    assert not WatchedFile.objects.exists()


def run(*args) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("watch", *map(str, args), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_takes_in_what_is_there_once(folder, author, project):
    lay(folder, "NORMAL/a.jpg", scan_bytes(1))
    lay(folder, "bad.jpg", b"no picture")
    out, err = run(project.name, folder, "--as", "author", "--once", "--settle", "0.05")
    code = Image.objects.get().code
    assert f"NORMAL/a.jpg: {code} created" in out
    assert "bad.jpg: unsupported_format: " in err
    assert run(project.name, folder, "--as", "author", "--once", "--settle", "0.05") == ("", "")


def test_wrong_use_is_said(folder, author, outsider, project):
    for path, user, status in (("missing", "author", 2), (folder, "nobody", 2), (folder, "outsider", 2)):
        with pytest.raises(CommandError) as refused:
            run(project.name, path, "--as", user, "--once")
        assert refused.value.returncode == status
    with pytest.raises(CommandError, match="own data"):
        run(project.name, settings.DATA_DIR, "--as", "author", "--once")


@pytest.mark.django_db(transaction=True)
def test_the_command_ends_cleanly_when_it_is_asked_to(folder, author, project):
    from django.db import connection

    if connection.vendor != "sqlite":
        pytest.skip("the child would need the name of the test database")
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTEST_XDIST_WORKER": os.environ.get("PYTEST_XDIST_WORKER", "main"),
        "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
    }
    code = (
        "import django; django.setup(); from django.core.management import call_command;"
        f"call_command('watch', {project.name!r}, {str(folder)!r}, '--as', 'author', '--settle', '0.1', '--interval', '0.1')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, env=env, stdout=subprocess.PIPE, text=True
    )
    lay(folder, "a.jpg", scan_bytes(1))
    deadline = time.monotonic() + PATIENCE_S
    while not WatchedFile.objects.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "a.jpg: img" in out
    assert out.endswith("Stopped.\n")
