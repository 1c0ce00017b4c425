"""What an earlier backup has verified is not read and written again; rot is found all the same, in turn or when asked for."""

import io
import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from mediscan_site.core.backup import checking, earlier, layout, making, objects, signing
from mediscan_site.core.models import AuditEvent, Backup, Blob
from mediscan_site.core.storage import blobs, ring
from tests.core.backup.conftest import first_object, flipped
from tests.core.backup.test_layout import GOOD

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Path]


@pytest.fixture
def no_turn(monkeypatch):
    """No shard's turn comes: what is read is read for another reason."""
    monkeypatch.setattr(earlier, "_turn", lambda manifest, now: (frozenset(), 0))


@pytest.fixture
def read(monkeypatch):
    """The ids of the objects whose copies are read, and of those that are written, since the last `clear`."""
    seen: list[str] = []
    digest, copied = layout.digest, objects._copied

    def noted(path: Path) -> layout.Stored:
        if path.parent.parent.name == "objects":
            seen.append(path.name)
        return digest(path)

    monkeypatch.setattr(layout, "digest", noted)
    monkeypatch.setattr(
        objects, "_copied", lambda source, target: (seen.append(target.stem), copied(source, target))[1]
    )
    return seen


def rotted(path: Path) -> bytes:
    """One bit turned round as a disk does it: nobody wrote, so no time changed. Returns the bytes from before."""
    whole, facts = path.read_bytes(), path.stat()
    flipped(path)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return whole


def ids() -> set[str]:
    return {str(pk) for pk in Blob.objects.values_list("pk", flat=True)}


def test_what_an_earlier_backup_has_verified_is_neither_read_nor_written_again(make_scan, backup, no_turn, read):
    make_scan(seed=1)
    backup()
    before = ids()
    assert set(read) == before
    read.clear()
    make_scan(seed=2)
    folder = backup()
    assert set(read) == ids() - before
    assert {str(entry.id) for entry in layout.entries(folder / layout.OBJECTS)} == ids()
    told = AuditEvent.objects.filter(action="backup.create").order_by("-id")[0].details
    assert (told["objects"], told["read"]) == (len(ids()), len(ids() - before))


def test_a_full_one_reads_every_copy_again_and_mends_what_has_rotted(make_scan, backup, backup_dir, no_turn, read):
    make_scan(seed=1)
    backup()
    rotten = first_object(backup_dir)
    whole = rotted(rotten)
    backup()
    assert rotten.read_bytes() != whole, "nothing says that it has changed"
    read.clear()
    call_command("backup", full=True, stdout=io.StringIO())
    assert set(read) == ids()
    assert rotten.read_bytes() == whole


def test_every_copy_is_read_again_in_verify_days(make_scan, backup, backup_dir, settings, monkeypatch):
    make_scan(seed=1)
    backup()
    rotten = first_object(backup_dir)
    whole = rotted(rotten)
    settings.VERIFY_DAYS = 4
    began = making.timezone.now()
    for day in range(1, 6):
        monkeypatch.setattr(making.timezone, "now", lambda day=day: began + timedelta(days=day))
        backup()
    assert rotten.read_bytes() == whole


def test_a_copy_that_was_found_damaged_is_mended_by_the_next_backup(make_scan, backup, backup_dir, no_turn):
    make_scan(seed=1)
    folder = backup()
    rotten = first_object(backup_dir)
    whole = rotted(rotten)
    with pytest.raises(CommandError, match="missing or damaged"):
        call_command("backup", verify="", stdout=io.StringIO())
    backup()
    assert rotten.read_bytes() == whole
    checking.check(folder, trusted=signing.signer(ring.current()))


@pytest.mark.parametrize("harm", [Path.unlink, flipped, lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_a_copy_that_is_gone_or_was_written_since_is_copied_again(make_scan, backup, backup_dir, no_turn, harm):
    make_scan(seed=1)
    backup()
    path = first_object(backup_dir)
    whole = path.read_bytes()
    harm(path)
    facts = (backup_dir / Backup.objects.get().name / layout.SIGNATURE).stat()
    if path.exists():
        os.utime(path, ns=(facts.st_mtime_ns, facts.st_mtime_ns + 1))
    backup()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("name", [layout.OBJECTS, layout.MANIFEST, layout.SIGNATURE])
def test_a_backup_that_cannot_be_trusted_vouches_for_nothing(make_scan, backup, no_turn, read, name):
    make_scan(seed=1)
    flipped(backup() / name, at=20)
    read.clear()
    backup()
    assert set(read) == ids()


def test_a_copy_without_a_row_stays_as_long_as_a_backup_that_lists_it(backup, backup_dir):
    blob = blobs.write(b"a scan", namespace="7", content_type="image/png")
    blob.save(force_insert=True)
    first = backup()
    path, stray = layout.object_file(backup_dir, blob.pk), backup_dir / "objects" / "00" / "stray.part"
    Blob.objects.filter(pk=blob.pk).delete()
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"of a backup that was killed")
    backup()
    assert path.is_file() and not stray.exists()
    shutil.rmtree(first)
    backup()
    assert not path.exists()


@given(st.lists(st.floats(0.01, 40), min_size=1, max_size=60), st.integers(0, 255))
def test_turns_of_any_length_come_round_in_verify_days(days, start):
    """However irregular the backups are: with those of 28 days together, each shard has had its turn."""
    at = datetime.fromisoformat(GOOD.made_at)
    seen: set[str] = set()
    place, passed = start, 0.0
    for step in days:
        found = layout.parse(GOOD.to_bytes().replace(b'"next_shard": 0', b'"next_shard": %d' % place))
        due, place = earlier._turn(found, at + timedelta(days=step))
        assert due
        seen |= due
        passed += step
    assert passed < 28 or seen == set(earlier.SHARDS)
