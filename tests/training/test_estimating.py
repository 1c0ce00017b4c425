"""How long a run will take: from what runs here have taken, else from a table."""

import pytest

from models_registry.inference.names import ARCHITECTURES
from training.engine.config import TrainConfig
from training.estimating import CPU_MS, GPU_MS, TILE_S, Counts, Estimate, estimate, work
from training.models import EpochMetrics, TrainingRun

COUNTS = Counts(120, 30, 50)


def told(**options):
    return TrainConfig(**{"architecture": "resnet_compact", "epochs": 10, **options}).to_dict()


def units(**options) -> float:
    return work(told(**options), COUNTS)


def test_work_counts_what_passes_through_the_networks():
    assert units() == pytest.approx(10 * (120 + 30 / 3))
    assert units(image_size=128) == pytest.approx(4 * units())
    assert units(members=3) == pytest.approx(3 * units())
    assert units(epochs=20) == pytest.approx(2 * units())
    # Five folds train on four fifths of 150 scans each, and look at the last fifth.
    assert units(folds=5) == pytest.approx(units() + 5 * 10 * 150 * (0.8 + 0.2 / 3))
    # Each validation scan is judged as it is, mirrored, and turned by three right angles.
    assert units(allow_flips=True, flip_tta=True) == pytest.approx(10 * (120 + 2 * 30 / 3))
    assert units(any_angle=True, turned_tta=True) == pytest.approx(10 * (120 + 4 * 30 / 3))
    frozen = {"pretrained": True, "architecture": "resnet18"}
    assert units(**frozen, frozen_epochs=9) < units(**frozen) / 3


def seconds(counts=COUNTS, **options) -> float:
    return estimate(told(**options), counts, "cpu").seconds


def test_every_network_and_every_fold_sees_the_scans_without_labels_first(db):
    """Each scan in two views; a fold leaves four fifths of 150, and all that have no label."""
    counts, ms = Counts(120, 30, 50, unlabelled=1000), CPU_MS["resnet_compact"] / 1000
    read = 1000 * TILE_S

    def first(**options) -> float:
        return seconds(counts, self_supervised=10, **options) - seconds(counts, **options)

    assert seconds(counts) == seconds(), "nobody asked for them"
    assert first() == pytest.approx(read + ms * 2 * 10 * (120 + 1000), abs=0.2)
    assert first(members=3) == pytest.approx(read + 3 * ms * 2 * 10 * (120 + 1000), abs=0.2)
    folds = 2 * 10 * 5 * (0.8 * 150 + 1000)
    assert first(folds=5, members=2) == pytest.approx(read + 2 * ms * (2 * 10 * 1120 + folds), abs=0.2)
    assert first(image_size=128) == pytest.approx(read + 4 * ms * 2 * 10 * 1120, abs=0.2)


def test_no_more_scans_without_labels_count_than_may_be_in_memory(db, settings):
    settings.TRAINING_CACHE_MB = 1
    many, few = (Counts(120, 30, 50, unlabelled=number) for number in (100_000, 256))
    assert seconds(many, self_supervised=5) == seconds(few, self_supervised=5)


def test_all_frames_are_read(db):
    assert seconds(Counts(120, 30, 50, frames=3000)) == pytest.approx(seconds() + 3000 * TILE_S, abs=0.2)


def test_what_a_run_did_before_its_epochs_does_not_make_the_next_one_seem_quick(past):
    past(6.0, self_supervised=20)
    assert seconds() == pytest.approx(60, abs=12)


def test_without_runs_a_table_says_it_roughly(db):
    found = estimate(told(), COUNTS, "cpu")
    assert found.low < found.seconds < found.high
    assert found.high > 2 * found.seconds / 1.5
    assert "table" in found.basis
    assert estimate(told(architecture="resnet50"), COUNTS, "cpu").seconds > found.seconds
    assert estimate(told(), COUNTS, "cuda").seconds < found.seconds


def test_the_table_has_every_network():
    assert CPU_MS.keys() == GPU_MS.keys() == set(ARCHITECTURES)


@pytest.fixture
def past(project, admin, bare_snapshot):
    """A run that ended, and whose epochs took so many seconds each."""

    def make(seconds: float, *, device: str = "cpu", status: str = "succeeded", **options) -> TrainingRun:
        snapshot = bare_snapshot()
        snapshot.class_counts = {"A": {"train": 100, "val": 30, "test": 50}, "B": {"train": 20, "val": 0, "test": 0}}
        snapshot.save()
        run = TrainingRun.objects.create(
            project=project, snapshot=snapshot, created_by=admin, active=None, status=status,
            config=told(**options), environment={"device": device},
        )  # fmt: skip
        for epoch in range(1, 11):
            EpochMetrics.objects.create(run=run, epoch=epoch, phase="full", metrics={"seconds": seconds})
        return run

    return make


def test_a_run_like_it_says_what_it_will_take(past):
    past(6.0)
    found = estimate(told(), COUNTS, "cpu")
    assert found.seconds == pytest.approx(60, abs=12)
    assert found.basis == "1 earlier run here"
    doubled = estimate(told(members=2), COUNTS, "cpu")
    assert doubled.seconds == pytest.approx(120, abs=12)


def test_the_median_of_like_runs_counts_and_a_run_that_sees_otherwise_only_where_there_is_none(past):
    for seconds in (5.0, 6.0, 60.0):
        past(seconds)
    past(100.0, image_size=96)
    assert estimate(told(), COUNTS, "cpu").seconds == pytest.approx(60, abs=12)
    other = estimate(told(image_size=128), COUNTS, "cpu")
    assert other.basis == "4 earlier runs here that saw otherwise"
    assert other.high / other.seconds > 1.8


@pytest.mark.parametrize(
    "odd",
    [{"device": "cuda"}, {"status": "failed"}, {"patience": 3}, {"architecture": "resnet18"}],
    ids=lambda odd: next(iter(odd)),
)
def test_runs_that_are_not_comparable_say_nothing(past, odd):
    past(100.0, **odd)
    assert "table" in estimate(told(), COUNTS, "cpu").basis


def test_a_run_of_an_older_release_says_it_too(past):
    run = past(6.0)
    new = ("sees", "windows", "shape", "any_angle")
    run.config = {name: value for name, value in run.config.items() if name not in new}
    run.save()
    assert estimate(told(), COUNTS, "cpu").basis == "1 earlier run here"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (20, "about 20 seconds (10 to 40)"),
        (90, "about 2 minutes (1 to 3)"),
        (600, "about 10 minutes (5 to 20)"),
        (7200, "about 2 hours (1 to 4)"),
    ],
)
def test_a_person_reads_it_as_a_person_would_say_it(seconds, expected):
    assert Estimate(seconds, seconds / 2, seconds * 2, "").words() == expected
