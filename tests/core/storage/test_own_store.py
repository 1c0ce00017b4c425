"""The store of objects knows whose it is, and a sweep never empties one."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from mediscan_site.core import tasks
from mediscan_site.core.models import AuditEvent, Blob, Notice, StoreOwner
from mediscan_site.core.storage import blobs, orphans, own_store, ring
from mediscan_site.core.storage.foreign import ForeignStore, MarkerMissing
from tests.core.storage.stores import NOW, objects, stored, strangers

pytestmark = pytest.mark.django_db


def another_database() -> None:
    """As after DATABASE_URL was changed: no rows, another id."""
    Blob.objects.all().delete()
    StoreOwner.objects.update(site="f" * 32, marked_at=None)


def test_a_new_store_is_marked_and_signed_and_only_once(store):
    found = json.loads((store / own_store.MARKER).read_text())
    assert found["site"] == StoreOwner.objects.get().site
    before = (store / own_store.MARKER).read_bytes()
    own_store.require()
    assert (store / own_store.MARKER).read_bytes() == before


def test_a_sweep_beside_another_database_removes_nothing_and_administrators_are_told(store):
    stored(3)
    another_database()
    with pytest.raises(ForeignStore, match=r"another database's.*DATABASE_URL.*restore a backup.*adopt_store"):
        orphans.sweep(older_than=NOW)
    tasks.sweep_orphans()
    assert objects(store) == 3
    assert "another database's" in Notice.objects.get(key=orphans.NOTICE).sentence


def test_an_empty_database_beside_a_store_from_before_there_were_markers_removes_nothing(store):
    stored(3)
    (store / own_store.MARKER).unlink()
    another_database()
    with pytest.raises(ForeignStore, match="holds objects that this database does not know"):
        orphans.sweep(older_than=NOW)
    assert objects(store) == 3
    assert not (store / own_store.MARKER).exists()


def test_a_store_from_before_there_were_markers_is_known_by_its_objects(store):
    stored(2)
    (store / own_store.MARKER).unlink()
    StoreOwner.objects.update(marked_at=None)
    own_store.require()
    assert (store / own_store.MARKER).exists()


@pytest.mark.parametrize("content", ["", "{}", "[1]", "not JSON", '{"site": 7}'])
def test_a_marker_that_says_nothing_is_not_ours(store, content):
    (store / own_store.MARKER).write_text(content)
    with pytest.raises(ForeignStore):
        own_store.require()


def test_a_marker_with_our_name_and_another_signature_is_not_ours(store):
    found = json.loads((store / own_store.MARKER).read_text())
    (store / own_store.MARKER).write_text(json.dumps({**found, "signature": "00" * 64}))
    with pytest.raises(ForeignStore, match="not signed with this site's key"):
        own_store.require()


def test_a_store_that_lost_its_marker_is_perhaps_not_mounted(store, client):
    (store / own_store.MARKER).unlink()
    with pytest.raises(MarkerMissing, match="may not be mounted"):
        own_store.require()
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["store"]) == (503, "unmarked")


def test_a_process_that_begins_to_write_asks_first(store, monkeypatch):
    another_database()
    monkeypatch.setattr(own_store, "_required", None)
    with pytest.raises(ForeignStore):
        blobs.write(b"a scan", namespace="7", content_type="image/png")
    assert objects(store) == 0


def test_a_disk_that_is_taken_away_under_a_running_site_takes_nothing_more(store):
    stored(1)
    store.rename(store.with_name("away"))
    store.mkdir()
    with pytest.raises(MarkerMissing):
        blobs.write(b"a scan", namespace="7", content_type="image/png")
    assert objects(store) == 0
    store.rmdir()
    store.with_name("away").rename(store)
    stored(1)
    assert objects(store) == 2


def test_readiness_is_red_beside_another_database(store, client):
    another_database()
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["store"]) == (503, "foreign")


def test_tables_are_not_made_beside_a_store_in_use(store, monkeypatch):
    monkeypatch.setattr(own_store, "_database_is_empty", lambda: True)
    with pytest.raises(ForeignStore, match=r"new and empty, but the store .* is already in use"):
        call_command("migrate", verbosity=0)
    (store / own_store.MARKER).unlink()
    own_store.require_no_strangers()
    strangers(1)
    with pytest.raises(ForeignStore):
        own_store.require_no_strangers()


def test_an_administrator_who_looked_adopts_a_store_and_the_trail_tells(store):
    stored(2)
    another_database()
    with pytest.raises(CommandError, match="repeat with --yes"):
        call_command("adopt_store", stdout=io.StringIO())
    with pytest.raises(ForeignStore):
        own_store.require()
    call_command("adopt_store", yes=True, stdout=io.StringIO())
    own_store.require()
    event = AuditEvent.objects.get(action="store.adopt")
    assert event.details["site"] == "f" * 32 and event.details["previous"]


def test_a_sweep_removes_what_crashes_leave_and_counts_it_in_the_trail(store):
    kept, gone = stored(2)
    gone_path = store / gone.path
    bytes_of_gone = gone_path.read_bytes()
    blobs.erase(gone)
    gone_path.write_bytes(bytes_of_gone)
    strangers(3)
    found = orphans.sweep(older_than=NOW)
    assert (found.total, found.erased, found.unknown) == (5, 1, 3)
    assert objects(store) == 1 and (store / kept.path).exists()
    assert AuditEvent.objects.get(action="store.sweep").details == {
        "total": 5,
        "erased": 1,
        "unknown": 3,
        "forced": False,
    }
    assert orphans.sweep(older_than=NOW).unknown == 0
    assert AuditEvent.objects.filter(action="store.sweep").count() == 1


def test_a_sweep_of_more_than_a_small_share_stops_until_somebody_looked(store, monkeypatch):
    monkeypatch.setattr(orphans, "FEW", 2)
    monkeypatch.setattr(orphans, "AGE", NOW)
    stored(2)
    strangers(3)
    tasks.sweep_orphans()
    assert objects(store) == 5
    assert "3 of 5 stored objects" in Notice.objects.get(key=orphans.NOTICE).sentence
    with pytest.raises(CommandError, match="sweep_orphans --force"):
        call_command("sweep_orphans")
    call_command("sweep_orphans", force=True, stdout=io.StringIO())
    assert objects(store) == 2
    assert not Notice.objects.exists()
    assert AuditEvent.objects.get(action="store.sweep").details["forced"] is True


def test_bytes_whose_keys_were_destroyed_do_not_count_as_unknown(store, monkeypatch):
    """A project whose objects could not be deleted when it was erased: its rows say that it is noise."""
    monkeypatch.setattr(orphans, "FEW", 1)
    for blob in stored(4):
        data = (store / blob.path).read_bytes()
        blobs.erase(blob)
        (store / blob.path).write_bytes(data)
    assert orphans.sweep(older_than=NOW).erased == 4
    assert objects(store) == 0


def test_a_restore_does_not_write_into_another_sites_store(store, tmp_path):
    from mediscan_site.core.storage.keys import KeyRing

    own_store.require_free(ring.current())
    with pytest.raises(ForeignStore, match="another site's"):
        own_store.require_free(KeyRing.create(tmp_path / "theirs.json"))
