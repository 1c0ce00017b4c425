import threading
from dataclasses import replace

import numpy as np
import pytest

from images.learning import view
from images.models import Image, Rendition, RenditionKind, Split
from images.renditions import tile
from mediscan_site.core.storage import room
from models_registry.inference.looks import COLOUR, GREY, LETTERBOX, Look
from models_registry.inference.preprocess import shrink
from models_registry.inference.seen import see
from training.engine.config import TrainConfig
from training.memory import MIB, MOST_IN_MEMORY, budget
from training.process import sealed, tiles
from training.process.sealed import PixelsUnkept, SealedPixels
from training.process.tiles import TileUnusable


def load(snapshot, **options) -> tiles.Part:
    class_ids = [entry["id"] for entry in snapshot.classes]
    return tiles.load(snapshot, Split.TRAIN, **{"class_ids": class_ids, "done": lambda _: None, **options})


def scans(snapshot) -> list[Image]:
    members = snapshot.members.filter(split=Split.TRAIN).order_by("pk")
    return [Image.objects.select_related("blob").get(pk=member.image_id) for member in members]


def test_scans_are_read_in_order_and_shrunk_to_the_picture_size_of_the_run(make_snapshot, monkeypatch):
    monkeypatch.setattr(tiles, "CHUNK", 4)
    snapshot = make_snapshot(6)
    class_ids = [entry["id"] for entry in snapshot.classes]
    counted: list[int] = []
    part = load(snapshot, done=counted.append, size=48)
    members = snapshot.members.filter(split=Split.TRAIN).order_by("pk")
    whole = np.stack([tile(image) for image in scans(snapshot)])
    assert part.tiles.shape == (len(whole), 48, 48)
    assert np.array_equal(part.tiles[:], shrink(whole, 48))
    assert counted == list(range(1, len(whole) + 1))
    assert part.labels.tolist() == [class_ids.index(member.label_class_id) for member in members]


@pytest.mark.parametrize(("look", "shape"), [(Look(COLOUR), (40, 40, 3)), (Look(GREY, LETTERBOX), (40, 40))])
@pytest.mark.parametrize("in_memory", [True, False])
def test_another_look_reads_views_and_makes_those_that_are_missing(make_snapshot, look, shape, in_memory):
    snapshot = make_snapshot(4)
    first, *others = scans(snapshot)
    wanted = [see(view(image), look, 40) for image in (first, *others)]
    Rendition.objects.filter(image=first, kind=RenditionKind.LEARNING).delete()
    part = load(snapshot, size=40, look=look, in_memory=in_memory)
    assert part.tiles.shape == (len(wanted), *shape)
    assert np.array_equal(part.tiles[:], np.stack(wanted))
    assert isinstance(part.tiles, np.ndarray) == in_memory
    assert Rendition.objects.filter(image=first, kind=RenditionKind.LEARNING).exists()


def test_threads_that_read_ask_the_database_nothing(make_snapshot, monkeypatch):
    snapshot = make_snapshot(4)
    for image in scans(snapshot):
        view(image)
    asked: set[str] = set()
    from django.db.backends.utils import CursorWrapper

    real = CursorWrapper.execute
    monkeypatch.setattr(
        CursorWrapper, "execute", lambda *a, **k: (asked.add(threading.current_thread().name), real(*a, **k))[1]
    )
    load(snapshot, size=40, look=Look(COLOUR))
    assert asked == {threading.main_thread().name}


def test_a_scan_that_cannot_be_read_is_named(make_snapshot, monkeypatch):
    snapshot = make_snapshot(4)
    bad = scans(snapshot)[2]
    blob = Rendition.objects.get(image=bad, kind=RenditionKind.TILE).blob
    blob.sha256 = "0" * 64
    blob.save(update_fields=["sha256"])
    counted: list[int] = []
    with pytest.raises(TileUnusable, match=f"{bad.code} cannot be read: its stored file is damaged"):
        load(snapshot, done=counted.append, size=40)
    assert counted == [1, 2]


def test_a_run_is_kept_on_the_disk_only_where_it_is_larger_than_the_budget_and_there_is_room(
    make_snapshot, settings, monkeypatch
):
    snapshot = make_snapshot(6)
    count = snapshot.members.filter(split__in=("train", "val")).count()
    settings.TRAINING_CACHE_MB = 1
    side = int((MIB / count / 3) ** 0.5)
    assert tiles.fits_in_memory(snapshot, size=side, look=Look(COLOUR))
    assert not tiles.fits_in_memory(snapshot, size=side + 1, look=Look(COLOUR))
    there = room.disk(settings.DATA_DIR)
    monkeypatch.setattr(room, "disk", lambda _: replace(there, free=there.floor + MIB // 2))
    assert tiles.fits_in_memory(snapshot, size=side, look=Look(COLOUR))
    with pytest.raises(PixelsUnkept, match="Choose a smaller picture size"):
        tiles.fits_in_memory(snapshot, size=side + 1, look=Look(COLOUR))


def test_the_budget_follows_the_machine_where_the_site_does_not_say(settings):
    settings.TRAINING_CACHE_MB = 0
    assert 0 < budget() <= MOST_IN_MEMORY
    settings.TRAINING_CACHE_MB = 3
    assert budget() == 3 * MIB


def test_a_full_disk_is_told_as_one(settings, tmp_path, monkeypatch):
    from mediscan_site.core.errors import is_full

    settings.DATA_DIR = tmp_path
    array = SealedPixels((2, 32, 32))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealed.os, "pwrite", full)
    with pytest.raises(OSError, match="No space left") as told:
        array.put(0, np.zeros((32, 32), dtype=np.uint8))
    assert is_full(told.value)


def test_what_a_run_sees_is_what_its_options_say():
    assert not TrainConfig(image_size=64).look.needs_views
    assert TrainConfig(image_size=64, sees=COLOUR).look == Look(COLOUR)
