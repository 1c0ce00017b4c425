"""A run whose pixels are on the disk is the run that has them in memory."""

import contextlib
import gc
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mediscan_site.core import work
from models_registry.inference.names import COLOUR
from training.models import TrainingRun
from training.process import tiles
from training.process.making import Training
from training.process.reproducing import NoBook, Rehearsal
from training.process.sealed import SealedPixels


@pytest.fixture
def run(make_snapshot, admin, project) -> TrainingRun:
    return TrainingRun.objects.create(project=project, snapshot=make_snapshot(6), created_by=admin, config={})


@pytest.fixture
def training(run, monkeypatch):
    """In colour, without a plan, which is another part's; the recorder notes where the checkpoints go."""
    from training import planning
    from training.engine.config import TrainConfig

    config = TrainConfig(image_size=32, epochs=2, batch_size=4, sees=COLOUR)
    monkeypatch.setattr(planning, "engine_config", lambda _: config)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    def make() -> Training:
        recorder = Rehearsal(run, lambda *_: None)
        return Training(run, recorder, NoBook(run))

    return make


def open_files(folder: Path) -> list[str]:
    """Files of a folder that are open and have no name any more."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(link.readlink()))
    return [target for target in found if target.startswith(str(folder)) and target.endswith("(deleted)")]


@pytest.mark.django_db
def test_in_colour_the_same_weights_to_the_bit_and_nothing_is_left(training, monkeypatch, settings):
    here = training()
    data, made = here.train()
    assert data.train_tiles.shape[1:] == (32, 32, 3)
    monkeypatch.setattr(tiles, "budget", lambda: 0)
    settings.TRAINING_CHECKPOINT_S = 0
    there = training()
    saved: list[bytes] = []
    there.recorder.checkpoint = saved.append  # type: ignore[method-assign]
    sealed, other = there.train()
    assert isinstance(sealed.train_tiles, SealedPixels)
    assert len(open_files(settings.DATA_DIR)) == 2
    again = training()
    again._saved = lambda: saved[0]  # type: ignore[method-assign]
    resumed = again.train()[1]
    for one in (other, resumed):
        assert all(torch.equal(made.members[0].state_dict[k], v) for k, v in one.members[0].state_dict.items())
    del there, again, sealed, other
    gc.collect()
    assert open_files(settings.DATA_DIR) == []


@pytest.mark.django_db
def test_a_run_that_is_stopped_while_it_reads_leaves_no_file(training, monkeypatch, settings):
    monkeypatch.setattr(tiles, "budget", lambda: 0)
    stopped = training()
    recorder, put, seen = stopped.recorder, SealedPixels.put, []

    def stop_at_the_third(self, position, pixels) -> None:
        put(self, position, pixels)
        seen.append(len(open_files(settings.DATA_DIR)))
        if position == 2:
            recorder.stop()

    monkeypatch.setattr(SealedPixels, "put", stop_at_the_third)
    with pytest.raises(work.Stopped):
        stopped.train()
    assert seen == [1, 1, 1]
    del stopped
    gc.collect()
    assert open_files(settings.DATA_DIR) == []


@pytest.mark.django_db
def test_where_the_disk_has_no_room_it_says_so_before_a_scan_is_read(training, monkeypatch):
    from mediscan_site.core.storage import room
    from training.process.explaining import explain
    from training.process.sealed import PixelsUnkept

    full = replace(room.disk("/"), free=0, floor=0)
    monkeypatch.setattr(room, "disk", lambda _: full)
    monkeypatch.setattr(tiles, "budget", lambda: 0)
    refused = training()
    with pytest.raises(PixelsUnkept, match="more than is free on the disk") as told:
        refused.train()
    assert explain(refused.run, told.value) == str(told.value)
