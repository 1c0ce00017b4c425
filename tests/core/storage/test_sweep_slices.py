"""Housekeeping goes through the store in slices, and removes nothing before it has counted all of it."""

from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone

from mediscan_site.core import tasks
from mediscan_site.core.models import AuditEvent, Notice
from mediscan_site.core.storage import blobs, orphans, own_store
from tests.core.storage.stores import NOW, objects, stored, strangers

pytestmark = pytest.mark.django_db


def _noise(count: int, store: Path) -> None:
    """Objects whose keys were destroyed and whose bytes a crash has left."""
    for blob in stored(count):
        data = (store / blob.path).read_bytes()
        blobs.erase(blob)
        (store / blob.path).write_bytes(data)


def _slices(most: int = 200) -> int:
    """Run housekeeping until it has nothing more to do for today; how many runs that took."""
    for number in range(most):
        if not orphans.due():
            return number
        tasks.sweep_orphans()
    raise AssertionError("The sweep does not end.")


def test_housekeeping_goes_through_the_store_in_slices_and_remembers_its_place(store, monkeypatch):
    monkeypatch.setattr(orphans, "AGE", NOW)
    monkeypatch.setattr(orphans, "SLICE", 1)
    kept = stored(6)
    strangers(3)
    _noise(2, store)
    folders = len(own_store.shards())
    looked: list[str] = []
    listdir = storages["blobs"].listdir
    monkeypatch.setattr(storages["blobs"], "listdir", lambda path: (looked.append(path), listdir(path))[1])
    tasks.sweep_orphans()
    assert len([path for path in looked if "/" in path]) == 1, "a run looks into one folder after the other, and stops"
    assert objects(store) == 11, "nothing is removed before all of them are counted"
    _slices()
    assert objects(store) == 6 and all((store / blob.path).exists() for blob in kept)
    assert len([path for path in looked if "/" in path]) <= 2 * folders + 2
    told = [event.details for event in AuditEvent.objects.filter(action="store.sweep")]
    assert (sum(one["erased"] for one in told), sum(one["unknown"] for one in told)) == (2, 3)


def test_the_next_sweep_begins_a_day_after_the_last_one(store, monkeypatch):
    _slices()
    assert not orphans.due()
    strangers(1)
    monkeypatch.setattr(orphans, "AGE", NOW)
    tasks.sweep_orphans()
    assert objects(store) == 1, "not yet"
    later = timezone.now() + orphans.EVERY
    monkeypatch.setattr(orphans.timezone, "now", lambda: later)
    assert orphans.due()
    _slices()
    assert objects(store) == 0


def test_slices_count_all_of_the_store_before_they_remove_the_first_object(store, monkeypatch):
    """Three unknown ones in each of several folders: few in a slice, and too many together."""
    monkeypatch.setattr(orphans, "AGE", NOW)
    monkeypatch.setattr(orphans, "SLICE", 1)
    monkeypatch.setattr(orphans, "FEW", 4)
    for folder in "abc":
        for number in range(3):
            storages["blobs"].save(f"project-9/{folder}/{number:05}", ContentFile(b"sealed by somebody else"))
    _slices()
    assert objects(store) == 9
    assert "9 of 9 stored objects" in Notice.objects.get(key=orphans.NOTICE).sentence
    monkeypatch.setattr(orphans, "FEW", 9)
    later = timezone.now() + orphans.EVERY
    monkeypatch.setattr(orphans.timezone, "now", lambda: later)
    _slices()
    assert objects(store) == 0
    assert not Notice.objects.filter(key=orphans.NOTICE).exists()


def test_of_unknown_objects_no_more_are_removed_than_were_counted(store, monkeypatch):
    monkeypatch.setattr(orphans, "AGE", NOW)
    monkeypatch.setattr(orphans, "SLICE", 1)
    strangers(2)
    while not orphans._Round.kept().removing:
        tasks.sweep_orphans()
    for number in range(5):
        storages["blobs"].save(f"project-9/b/{number:05}", ContentFile(b"came in between"))
    _slices()
    assert objects(store) == 5


def test_many_objects_of_one_folder_are_asked_for_some_at_a_time(store, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(orphans, "BATCH", 2)
    kept = stored(5)
    paths = sorted(blob.path for blob in kept)
    with django_assert_max_num_queries(3):
        assert list(orphans._without_key([*paths, "project-9/a/x"])) == [("project-9/a/x", False)]
