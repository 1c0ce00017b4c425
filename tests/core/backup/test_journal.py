"""The list of what was erased or withdrawn grows beside the backups, and shows when somebody changed it."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from images.services import delete_scan
from mediscan_site.core.backup import journal, restoring, services, withdrawing
from mediscan_site.core.models import User
from mediscan_site.core.services import update_user
from mediscan_site.core.storage import ring
from mediscan_site.core.storage.keys import KeyRing
from tests.conftest import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def erased(make_scan, admin, tmp_path):
    """Three scans that were erased, and the folder of the list."""
    images = [make_scan(seed=seed) for seed in range(3)]
    ids = [str(image.blob_id) for image in images]
    for image in images:
        delete_scan(actor=admin, image=image)
    return ids, tmp_path


def lines(root: Path) -> list[bytes]:
    return (root / journal.FILE).read_bytes().splitlines()


def test_each_thing_is_written_once_and_all_of_it_is_read_back(erased, admin):
    ids, root = erased
    count = journal.keep(root, ring.current())
    assert count == len(lines(root)) >= 3
    assert journal.keep(root, ring.current()) == 0
    update_user(actor=admin, user=make_user("doctor"), changes={"is_active": False})
    assert journal.keep(root, ring.current()) == 1
    found = journal.read(root, ring.current())
    assert found.broken == []
    assert set(ids) <= withdrawing.erased(found)
    assert (root / journal.FILE).stat().st_mode & 0o777 == 0o600


def test_a_line_that_was_changed_removed_or_added_is_named_and_the_others_count(erased):
    _, root = erased
    journal.keep(root, ring.current())
    whole = lines(root)
    for harmed in (
        whole[:1] + whole[2:],
        [*whole[:-1], whole[-1].replace(b"blob", b"blub")],
        [*whole, b"{} " + b"0" * 64],
    ):
        (root / journal.FILE).write_bytes(b"\n".join(harmed) + b"\n")
        found = journal.read(root, ring.current())
        assert len(found.broken) >= 1
        assert len(found.entries) >= len(whole) - 1
        assert "damaged or were changed" in withdrawing.replay(found, timezone.now())[-1]


def test_a_line_that_was_cut_when_the_machine_stopped_harms_no_other(erased, admin):
    _, root = erased
    journal.keep(root, ring.current())
    count = len(lines(root))
    with (root / journal.FILE).open("ab") as file:
        file.write(b'{"at": "2026')
    update_user(actor=admin, user=make_user("doctor"), changes={"is_active": False})
    assert journal.keep(root, ring.current()) == 1
    found = journal.read(root, ring.current())
    assert (len(found.entries), found.broken) == (count + 1, [count + 1])


def test_the_list_of_another_site_counts_for_nothing(erased, tmp_path):
    _, root = erased
    journal.keep(root, ring.current())
    other = KeyRing.create(tmp_path / "other.json")
    assert journal.read(root, other).entries == []


def test_a_database_that_is_about_to_be_replaced_is_asked_first(erased):
    ids, root = erased
    restoring._write_down_the_last(root)
    assert set(ids) <= withdrawing.erased(journal.read(root, ring.current()))


def test_the_only_administrator_is_never_taken_away(admin, tmp_path):
    since = timezone.now() - timedelta(hours=1)
    update_user(actor=admin, user=make_user("second", role="admin"), changes={"role": "doctor"})
    other = User.objects.get(username="second")
    journal.keep(tmp_path, ring.current())
    User.objects.filter(pk=admin.pk).update(is_active=False)
    User.objects.filter(pk=other.pk).update(role="admin", is_staff=True, is_superuser=True)
    said = withdrawing.replay(journal.read(tmp_path, ring.current()), since)
    assert said == ["second ceased to be an administrator since, but is the only one here: decide yourself."]
    assert User.objects.get(pk=other.pk).is_admin


def test_without_backups_nothing_is_written(erased, settings, tmp_path):
    services.keep_journal()
    settings.BACKUP_DIR = str(tmp_path)
    services.keep_journal()
    assert not (tmp_path / journal.FILE).exists()
    (tmp_path / "signer").touch()
    services.keep_journal()
    assert lines(tmp_path)
