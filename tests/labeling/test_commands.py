"""Import and export from the shell."""

import io
import zipfile
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from images.models import Image
from labeling.models import Import
from tests.conftest import scan_bytes


def run(*args) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(*map(str, args), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def folder(tmp_path: Path) -> Path:
    for name, seed in (("train/NORMAL/a.jpg", 1), ("test/OPACITY/b.jpg", 2), ("val/ZEBRA/c.jpg", 3), (".DS_Store", 4)):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(scan_bytes(seed))
    return tmp_path / "set"


def test_a_folder_is_imported_and_what_was_refused_is_named(tmp_path, author, project):
    out, err = run("import_dataset", project.name, folder(tmp_path), "--as", "author")
    assert "2 created, 0 duplicates, 1 rejected" in out
    assert "val/ZEBRA/c.jpg: unknown_class" in err
    assert Image.objects.filter(annotator=author).count() == 2


def test_a_zip_is_imported_by_project_key_and_twice_is_harmless(tmp_path, author, project):
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("NORMAL/a.jpg", scan_bytes(1))
    assert "1 created" in run("import_dataset", project.pk, path, "--as", "author")[0]
    assert "0 created, 1 duplicates" in run("import_dataset", project.pk, path, "--as", "author")[0]


@pytest.mark.parametrize(
    ("name", "path", "user", "status"),
    [
        ("Chest X-ray", "missing", "author", 2),
        ("No such project", "set", "author", 2),
        ("Chest X-ray", "set", "nobody", 2),
        ("Chest X-ray", "set", "outsider", 2),
        ("Chest X-ray", "empty", "author", 1),
        ("Chest X-ray", "no.zip", "author", 1),
    ],
)
def test_a_wrong_call_is_refused_with_its_exit_status(name, path, user, status, tmp_path, author, outsider):
    folder(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(CommandError) as refused:
        run("import_dataset", name, tmp_path / path, "--as", user)
    assert refused.value.returncode == status
    assert not Import.objects.exists()


@pytest.mark.parametrize("target", ["out.zip", "out"])
def test_an_export_is_a_zip_or_a_folder_and_overwrites_nothing(target, tmp_path, make_snapshot, admin, project):
    snapshot = make_snapshot(4)
    path = tmp_path / target
    out, _ = run("export_dataset", project.name, path, "--as", "admin")
    assert snapshot.code in out
    if target.endswith(".zip"):
        names = zipfile.ZipFile(path).namelist()
    else:
        names = [str(found.relative_to(path)) for found in path.rglob("*") if found.is_file()]
    assert len([name for name in names if name.endswith(".jpg")]) == 12
    with pytest.raises(CommandError) as refused:
        run("export_dataset", project.name, path, "--as", "admin", "--dataset", snapshot.code)
    assert refused.value.returncode == 2


def test_an_export_gives_renditions_on_request(tmp_path, make_snapshot, admin, project):
    make_snapshot(4)
    run("export_dataset", project.name, tmp_path / "out", "--files", "renditions", "--as", "admin")
    assert len(list(tmp_path.rglob("*.png"))) == 12


def test_exporting_too_little_says_what_is_missing(tmp_path, admin, project):
    with pytest.raises(CommandError, match="NORMAL has 0"):
        run("export_dataset", project.name, tmp_path / "out", "--as", "admin")
    assert not (tmp_path / "out").exists()
