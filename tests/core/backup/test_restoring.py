"""A backup that is forged, damaged, foreign or too new is refused before anything is written."""

import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from images.services import delete_scan
from mediscan_site.core.backup import checking, layout, restoring, sealing, signing
from mediscan_site.core.models import AuditEvent, User
from mediscan_site.core.storage import ring
from mediscan_site.core.storage.keys import KeyRing
from tests.core.backup.conftest import first_object, flipped

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Path]


def altered(folder: Path, **changes) -> None:
    """The manifest with other contents, signed again by the site itself."""
    data = layout.parse((folder / layout.MANIFEST).read_bytes())
    _put(folder, replace(data, **changes).to_bytes(), ring.current())


def _put(folder: Path, manifest: bytes, by: KeyRing) -> None:
    (folder / layout.MANIFEST).write_bytes(manifest)
    (folder / layout.SIGNATURE).write_text(signing.sign(manifest, by))


def forged(folder: Path) -> None:
    """All of it remade by somebody who has the recipient, which is public, and keys of their own."""
    theirs = KeyRing.create(folder.parent / "theirs.json")
    data = layout.parse((folder / layout.MANIFEST).read_bytes())
    _put(folder, replace(data, signer=signing.signer(theirs)).to_bytes(), theirs)


def claimed(folder: Path) -> None:
    """The same, but it says that this site signed it."""
    _put(folder, (folder / layout.MANIFEST).read_bytes(), KeyRing.create(folder.parent / "theirs.json"))


def listed_elsewhere(folder: Path) -> None:
    """An object that would be written outside the storage; list and manifest agree."""
    path = folder / layout.OBJECTS
    path.write_text(
        path.read_text().replace(",1/", ",../../1/", 1) if ",1/" in path.read_text() else "x,../../evil,0,0\n"
    )
    found = layout.parse((folder / layout.MANIFEST).read_bytes())
    altered(folder, files={**found.files, layout.OBJECTS: layout.digest(path)})


SPOILS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed manifest": (lambda folder: flipped(folder / layout.MANIFEST, 200), "signature is not valid"),
    "a changed signature": (lambda folder: flipped(folder / layout.SIGNATURE, 0), "signature is not valid"),
    "a forged backup": (forged, "not of this site"),
    "a forged backup that claims to be ours": (claimed, "signature is not valid"),
    "a changed database": (lambda folder: flipped(folder / layout.DATABASE), "not the file that was signed"),
    "a cut database": (lambda folder: (folder / layout.DATABASE).write_bytes(b"age"), "not the file that was signed"),
    "no keys": (lambda folder: (folder / layout.KEYS).unlink(), "cannot be read"),
    "a changed list": (lambda folder: flipped(folder / layout.OBJECTS, 3), "not the file that was signed"),
    "a list that leads elsewhere": (listed_elsewhere, "names no stored object"),
    "a changed object": (lambda folder: flipped(first_object(folder.parent)), "missing or damaged"),
    "a missing object": (lambda folder: first_object(folder.parent).unlink(), "missing or damaged"),
    "another format": (lambda folder: altered(folder, format=2), "Use a newer MediScan"),
    "another engine": (lambda folder: altered(folder, engine="oracle"), "is of a site on oracle"),
    "a newer version": (lambda folder: altered(folder, migrations={"core": ["9999_of_the_future"]}), "newer MediScan"),
    "another's name": (lambda folder: altered(folder, name="20990101T000000Z-daily"), "Give it back its name"),
}


@pytest.mark.parametrize("harm", SPOILS)
def test_refused_before_anything_is_written(harm, make_scan, backup, identity_file, settings, monkeypatch):
    make_scan(seed=1)
    folder = backup()
    spoil, reason = SPOILS[harm]
    spoil(folder)
    monkeypatch.setattr(restoring, "_write", lambda *arguments: pytest.fail("something was written"))
    with pytest.raises(CommandError, match=reason):
        call_command("restore", folder, identity=identity_file, force=True)


def test_another_identity_does_not_open_it(make_scan, backup, tmp_path, monkeypatch):
    make_scan(seed=1)
    folder = backup()
    sealing.make_identity(tmp_path / "other.txt", signer=signing.signer(ring.current()))
    monkeypatch.setattr(restoring, "_write", lambda *arguments: pytest.fail("something was written"))
    with pytest.raises(CommandError, match="does not open"):
        call_command("restore", folder, identity=tmp_path / "other.txt", force=True)
    with pytest.raises(CommandError, match="holds no identity"):
        call_command("restore", folder, identity=folder / layout.SIGNATURE, force=True)
    with pytest.raises(CommandError, match="Give the identity"):
        call_command("restore", folder, force=True)


def test_a_site_with_data_is_replaced_only_by_force(backup, admin, identity_file):
    folder = backup()
    with pytest.raises(CommandError, match="repeat with --force"):
        call_command("restore", folder, identity=identity_file)
    assert User.objects.count() == 1


def test_a_running_site_is_not_replaced(backup, admin, identity_file, settings):
    folder, pid = backup(), settings.DATA_DIR / "supervisord.pid"
    pid.write_text(str(os.getpid()))
    try:
        with pytest.raises(CommandError, match="The site is running"):
            call_command("restore", folder, identity=identity_file, force=True)
    finally:
        pid.unlink()


def test_a_keys_file_that_lacks_a_key_of_the_backup_is_not_overwritten(
    backup, admin, identity_file, settings, tmp_path
):
    copy = tmp_path / "keys" / "keys.json"
    copy.parent.mkdir()
    document = json.loads(settings.KEYS_FILE.read_bytes())
    copy.write_text(json.dumps(document))
    copy.chmod(0o600)
    settings.KEYS_FILE = copy
    ring.current().add_master(copy)
    folder = backup()
    before = json.dumps(document)
    copy.write_text(before)
    with pytest.raises(CommandError, match="never overwritten"):
        call_command("restore", folder, identity=identity_file, force=True)
    assert copy.read_text() == before


def test_without_a_keys_file_the_identity_or_the_operator_tells_whose_backup_it_is(
    backup, admin, identity_file, settings, tmp_path, monkeypatch
):
    folder = backup()
    trusted = signing.signer(ring.current())
    bare = tmp_path / "bare.txt"
    bare.write_text("".join(line for line in identity_file.open() if not line.startswith("#")))
    settings.KEYS_FILE = tmp_path / "absent" / "keys.json"
    seen = []
    monkeypatch.setattr(restoring, "_write", lambda sound, *rest: seen.append(sound))
    for options in ({"identity": identity_file}, {"identity": bare, "signer": trusted}):
        seen.clear()
        restoring.restore(
            folder, identity=sealing.read_identity(options["identity"]), signer=options.get("signer", ""), force=True
        )
        assert seen
    with pytest.raises(CommandError, match=f"--signer {trusted}"):
        call_command("restore", folder, identity=bare, force=True)
    with pytest.raises(CommandError, match="signature is not valid"):
        call_command("restore", folder, identity=bare, signer="ab" * 32, force=True)


def test_a_folder_that_is_no_backup_is_refused(tmp_path, backup_dir, identity_file, db):
    for path in (tmp_path / "nowhere", backup_dir):
        with pytest.raises(CommandError, match="neither a backup nor"):
            call_command("restore", path, identity=identity_file)


def test_a_damaged_newer_backup_does_not_stand_in_the_way_of_an_older_one(make_scan, backup, identity_file):
    make_scan(seed=1)
    older, newer = backup(), backup()
    flipped(newer / layout.SIGNATURE, 0)
    checking.check(older, trusted=signing.signer(ring.current()), identity=sealing.read_identity(identity_file))


def test_what_was_erased_after_the_backup_is_known_from_the_newer_one(make_scan, admin, backup, identity_file):
    image, doomed = make_scan(seed=1), make_scan(seed=2)
    gone = str(doomed.blob_id)
    older = backup()
    delete_scan(actor=admin, image=doomed)
    newer = backup()
    sound = checking.check(older, trusted=signing.signer(ring.current()))
    assert gone in sound.erased
    assert str(image.blob_id) in {str(entry.id) for entry in sound.entries()}
    shutil.rmtree(newer)
    with pytest.raises(layout.BackupError, match="missing or damaged"):
        checking.check(older, trusted=signing.signer(ring.current()))


def test_verify_says_what_it_read_and_whether_it_opened(make_scan, backup, identity_file):
    make_scan(seed=1)
    backup()
    for options, words in (({}, "not decrypted"), ({"identity": identity_file}, "it decrypts")):
        out = io.StringIO()
        call_command("backup", verify="", stdout=out, **options)
        assert "verify: ok" in out.getvalue() and words in out.getvalue()
    assert AuditEvent.objects.filter(action="backup.verify").count() == 2
    assert connection.vendor in (layout.folders(Path(backup().parent))[0] / layout.MANIFEST).read_text()
    out = io.StringIO()
    call_command("backup", list=True, stdout=out)
    assert out.getvalue().count("verified") == 2 and signing.signer(ring.current()) in out.getvalue()
