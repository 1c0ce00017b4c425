"""New scans are compared with those of their project, apart from the upload."""

import io
import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.files.storage import storages
from PIL import Image as Picture

from images import tasks
from images.models import Image, NearDuplicate, Rendition, RenditionKind
from images.services import ScanFacts, delete_scan, duplicates, store_scan
from tests.conftest import scan_bytes


def copy_of(seed: int, *, quality: int = 50, half: bool = False) -> bytes:
    opened = Picture.open(io.BytesIO(scan_bytes(seed)))
    picture = opened.resize((opened.width // 2, opened.height // 2)) if half else opened
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.fixture
def store(project, author):
    def put(data: bytes, into=None) -> Image:
        facts = ScanFacts()
        image, created = store_scan(
            actor=author, project=into or project, source=io.BytesIO(data), file_name="a.jpg", facts=facts
        )
        assert created
        return image

    return put


def found() -> set[tuple[int, int]]:
    return set(NearDuplicate.objects.values_list("first", "second"))


def test_copies_are_found_whichever_came_first_and_strangers_are_not(store, project, monkeypatch):
    small, first, stranger = store(copy_of(1, half=True)), store(scan_bytes(1)), store(scan_bytes(2))
    assert Image.objects.filter(compared_at__isnull=True).count() == 3 and not found()
    assert duplicates.compare_project(project.pk, budget_s=60) == 0
    assert found() == {(small.pk, first.pk)}
    assert duplicates.near_duplicates(first) == [small] and duplicates.near_duplicates(small) == [first]
    assert duplicates.near_duplicates(stranger) == []
    with monkeypatch.context() as patch:
        patch.setattr(duplicates, "MOST_ALIKE", 0)
        assert duplicates.near_duplicates(first) == []
    later = store(copy_of(1))
    tasks.compare_pending(0)
    assert found() == {(small.pk, first.pk), (small.pk, later.pk), (first.pk, later.pk)}
    pair = NearDuplicate.objects.first()
    assert pair is not None and 0 <= pair.distance <= 40 and 0.99 <= pair.correlation <= 1.0001
    assert not Image.objects.filter(compared_at__isnull=True).exists()


def test_comparing_again_or_twice_at_once_changes_nothing(store, project):
    store(scan_bytes(1)), store(copy_of(1))
    duplicates.compare_project(project.pk, budget_s=60)
    before = list(NearDuplicate.objects.order_by("pk").values_list("pk", "found_at"))
    Image.objects.update(compared_at=None)
    duplicates.compare_project(project.pk, budget_s=60)
    assert list(NearDuplicate.objects.order_by("pk").values_list("pk", "found_at")) == before


def test_scans_of_two_projects_are_not_compared(store, author, admin):
    from images.services import add_member, create_project

    other = create_project(actor=admin, name="Other", classes=["A", "B"])
    add_member(actor=admin, project=other, user=author)
    store(scan_bytes(1)), store(copy_of(1), into=other)
    duplicates.compare_pending(budget_s=60)
    assert not found() and not Image.objects.filter(compared_at__isnull=True).exists()


def test_an_erased_scan_drops_out_and_takes_its_pairs_along(store, project, admin):
    first, second = store(scan_bytes(1)), store(copy_of(1))
    duplicates.compare_project(project.pk, budget_s=60)
    assert found()
    delete_scan(actor=admin, image=first)
    assert not found() and duplicates.near_duplicates(second) == []
    store(copy_of(1, quality=60))
    duplicates.compare_project(project.pk, budget_s=60)
    assert all(first.pk not in pair for pair in found()) and found()


def test_what_is_left_when_the_time_is_up_waits_for_the_next_call(store, project, monkeypatch):
    for seed in range(4):
        store(scan_bytes(seed))
    store(copy_of(0))
    monkeypatch.setattr(duplicates, "BATCH", 2)
    assert duplicates.compare_project(project.pk, budget_s=-1) == 5
    ticks = itertools.chain([0.0, 0.5], itertools.repeat(9.0))
    # The name in this module only: every thread of the process reads the clock of `time` itself.
    monkeypatch.setattr(duplicates, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    assert duplicates.compare_project(project.pk, budget_s=1) == 3
    monkeypatch.undo()
    assert duplicates.compare_project(project.pk, budget_s=60) == 0
    assert len(found()) == 1


def test_a_scan_whose_tile_is_damaged_holds_nobody_up(store, project, caplog):
    broken, whole, copy = store(scan_bytes(1)), store(copy_of(1)), store(copy_of(1, quality=60))
    blob = Rendition.objects.get(image=broken, kind=RenditionKind.TILE).blob
    path = Path(storages["blobs"].path(blob.path))
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert duplicates.compare_project(project.pk, budget_s=60) == 0
    assert found() == {(whole.pk, copy.pk)}
    assert f"Scan {broken.pk} cannot be compared" in caplog.text
