"""Scans without a label teach a run to see; none that is bound to what the run is chosen or judged on."""

from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from django.utils import timezone

from images.models import Image
from labeling.datasets import apart
from mediscan_site.core.errors import Conflict
from models_registry.inference.names import COLOUR
from training.engine import selfsupervised
from training.engine.config import TrainConfig
from training.engine.group import ALONE
from training.models import TrainingRun
from training.process import reproducing, tiles, unlabelled
from training.process.making import Training
from training.process.reading import Reading
from training.process.recorder import Recorder
from training.process.reproducing import NoBook, Rehearsal

pytestmark = pytest.mark.django_db


@pytest.fixture
def snapshot(make_snapshot):
    return make_snapshot(4)


@pytest.fixture
def run(snapshot, admin, project) -> TrainingRun:
    """Of the future: whatever a test makes was there before it."""
    made = TrainingRun.objects.create(project=project, snapshot=snapshot, created_by=admin, config={})
    TrainingRun.objects.filter(pk=made.pk).update(created_at=timezone.now() + timedelta(hours=1))
    made.refresh_from_db()
    return made


@pytest.fixture
def compared(project):
    """Looks for near-duplicates, without which nobody knows what a scan shows again."""
    from images.services.duplicates import compare_project

    return lambda: compare_project(project.pk, budget_s=60)


def found(run, *, strictly: bool = False) -> list[int]:
    return list(apart.unlabelled(run.snapshot, before=run.created_at, strictly=strictly))


def test_only_scans_without_a_label_that_nothing_binds_to_validation_or_test(run, make_scan, compared):
    free = make_scan(seed=1, patient="new")
    alone = make_scan(seed=2)
    of_training = make_scan(seed=3, patient="patient1000")
    make_scan(seed=4, patient="patient2000")
    make_scan(seed=5, patient="patient3001")
    make_scan(seed=6, label="NORMAL")
    compared()
    assert found(run) == [free.pk, alone.pk, of_training.pk]
    assert found(run, strictly=True) == [free.pk, alone.pk]


def test_a_scan_that_looks_like_a_test_scan_is_left_out(run, make_scan, compared):
    from images.models import NearDuplicate

    copy, other = make_scan(seed=1, patient="new"), make_scan(seed=2, patient="another")
    compared()
    tested = run.snapshot.members.filter(split="test").first().image
    NearDuplicate.objects.create(project=run.project, first=tested, second=copy, distance=2, correlation=0.999)
    assert found(run) == [other.pk]


def test_a_label_that_came_after_the_run_changes_nothing_and_one_that_came_before_does(
    run, make_scan, compared, author
):
    from labeling.reading.labels import label_scan

    scan = make_scan(seed=1)
    compared()
    TrainingRun.objects.filter(pk=run.pk).update(created_at=timezone.now())
    run.refresh_from_db()
    label_scan(actor=author, image=scan, label_class=scan.project.class_rows.first())
    later = make_scan(seed=2)
    compared()
    assert found(run) == [scan.pk]
    TrainingRun.objects.filter(pk=run.pk).update(created_at=timezone.now())
    run.refresh_from_db()
    assert found(run) == [later.pk]


def test_they_are_read_as_the_run_sees_them_and_one_that_is_damaged_has_no_part(run, make_scan, compared, monkeypatch):
    first, second = make_scan(seed=1), make_scan(seed=2)
    compared()
    config = TrainConfig(image_size=32, sees=COLOUR, self_supervised=1)
    pixels = unlabelled.load(run, config, lambda *_: None)
    assert (pixels.shape, pixels.dtype) == ((2, 32, 32, 3), np.uint8)
    assert np.array_equal(pixels[1], tiles.pixels_of(second, config.look, 32))
    whole = tiles.pixels_of

    def damaged(image, look, size):
        if image.pk == first.pk:
            raise tiles.TileUnusable("damaged")
        return whole(image, look, size)

    monkeypatch.setattr(tiles, "pixels_of", damaged)
    assert np.array_equal(unlabelled.load(run, config, lambda *_: None), pixels[1:])


def test_no_more_are_read_than_may_stay_in_memory(run, make_scan, compared, monkeypatch):
    for seed in (1, 2, 3):
        make_scan(seed=seed)
    compared()
    monkeypatch.setattr(unlabelled, "budget", lambda: 2 * 32 * 32)
    assert len(unlabelled.load(run, TrainConfig(image_size=32), lambda *_: None)) == 2


def test_how_far_the_reading_is_stays_within_the_whole(run, make_scan, compared, monkeypatch):
    for seed in (1, 2, 3):
        make_scan(seed=seed)
    compared()
    told = []
    monkeypatch.setattr(Rehearsal, "progress", lambda self, share, message: told.append((share, message)))
    config = TrainConfig(image_size=32, self_supervised=1)
    assert len(Reading(run, config, Rehearsal(run, lambda *_: None)).unlabelled) == 3
    assert told == [(share, "reading scans without labels") for share in (1 / 3, 2 / 3, 1.0)]


def test_what_it_learned_from_is_written_down_and_its_reproduction_refuses_others(run, make_scan, compared):
    first, _ = make_scan(seed=1), make_scan(seed=2)
    compared()
    config = TrainConfig(image_size=32, self_supervised=1)
    TrainingRun.objects.filter(pk=run.pk).update(status="running", attempt=1)
    run.environment = {"threads": 2}
    pixels = Reading(run, config, Recorder(run, 1)).unlabelled
    run.refresh_from_db()
    assert run.environment == {"threads": 2, "unlabelled_scans": 2, "unlabelled_digest": selfsupervised.digest(pixels)}

    rehearsal = Rehearsal(run, lambda *_: None)
    assert np.array_equal(Reading(run, config, rehearsal).unlabelled, pixels)
    assert reproducing.differences(run.environment, {"threads": 2}) == ()
    Image.objects.filter(pk=first.pk).update(use_for_training=False)
    with pytest.raises(Conflict, match="learned also from 2 scans without labels that are no longer the same: 1 can"):
        Reading(run, config, rehearsal).unlabelled  # noqa: B018
    run.refresh_from_db()
    assert run.environment["unlabelled_scans"] == 2
    run.environment = {}
    assert len(Reading(run, config, rehearsal).unlabelled) == 1, "of an older run nobody knows"


def test_a_reproduction_says_so_before_it_learns(run, make_scan, compared, monkeypatch):
    make_scan(seed=1)
    compared()
    config = TrainConfig(architecture="resnet_compact", image_size=32, epochs=1, batch_size=4, self_supervised=1)
    monkeypatch.setattr("training.planning.engine_config", lambda _: config)
    monkeypatch.setattr("training.process.making.train", lambda *_, **__: pytest.fail("learned"))
    run.environment = {"unlabelled_scans": 9, "unlabelled_digest": "0" * 64}
    with pytest.raises(Conflict, match=f"^{run.code} learned also from 9 scans without labels") as refused:
        reproducing._made_again(run, SimpleNamespace(members=1, knowing=None), lambda *_: None, ALONE)
    assert refused.value.code == "cannot_reproduce"


def test_at_most_as_many_are_counted_without_asking_what_binds_them(run, make_scan, compared):
    make_scan(seed=1, patient="new")
    make_scan(seed=2, patient="patient2000")
    make_scan(seed=3, label="NORMAL")
    compared()
    assert (len(found(run)), apart.at_most(run.project)) == (1, 2)


def test_a_run_that_is_told_to_learns_from_them_first(run, make_scan, compared, monkeypatch):
    from training import planning

    for seed in (1, 2, 3):
        make_scan(seed=seed)
    compared()
    config = TrainConfig(architecture="resnet_compact", image_size=32, epochs=1, batch_size=4, self_supervised=1)
    monkeypatch.setattr(planning, "engine_config", lambda _: config)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    training = Training(run, Rehearsal(run, lambda *_: None), NoBook(run))
    _, trained = training.train()
    assert "1 epochs without labels on 7 scans" in trained.members[0].history[0].note


def test_a_run_that_is_not_told_to_reads_none_of_them(run, make_scan, monkeypatch):
    make_scan(seed=1)
    monkeypatch.setattr("training.planning.engine_config", lambda _: TrainConfig(image_size=32))
    assert Training(run, Rehearsal(run, lambda *_: None), NoBook(run)).scans.unlabelled is None
