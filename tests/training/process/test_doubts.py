"""What a run with folds leaves: doubts about labels, and a queue without near-copies in front."""

from types import SimpleNamespace

import numpy as np
import pytest

from images.models import Image
from labeling.models import KeptLabel, Label, LabelDoubt, QueueScore, Reference, SnapshotMember
from labeling.reading.labels import label_scan
from labeling.reading.queue import claim_scans
from labeling.reading.undo import undo_last
from mediscan_site.core.models import WorkStatus
from training.models import TrainingRun
from training.process import doubts, scores
from training.process.recorder import Recorder

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(project, admin, bare_snapshot):
    snapshot = bare_snapshot(6)
    for member in SnapshotMember.objects.filter(snapshot=snapshot):
        Image.objects.filter(pk=member.image_id).update(
            label_class=member.label_class, label_status="labeled", approval_status="approved"
        )
    return TrainingRun.objects.create(
        project=project, snapshot=snapshot, created_by=admin, config={}, status=WorkStatus.RUNNING, attempt=1
    )


def members(run: TrainingRun, *splits: str) -> list[SnapshotMember]:
    return list(SnapshotMember.objects.filter(snapshot=run.snapshot, split__in=splits).order_by("pk"))


def write(run: TrainingRun, wrong: list[int]) -> list[int]:
    """Doubts of a run whose networks contradict the labels of these scans, by their place among training and validation."""
    rows = members(run, "train", "val")
    classes = [entry["id"] for entry in run.snapshot.classes]
    labels = np.array([classes.index(row.label_class_id) for row in rows])
    shares = np.full((len(rows), 2), 0.1)
    said = labels.copy()
    said[wrong] = 1 - said[wrong]
    shares[np.arange(len(rows)), said] = 0.9
    doubts.write(run, [row.image_id for row in rows], labels, shares)
    return [rows[place].image_id for place in wrong]


def doubted() -> set[int]:
    return set(LabelDoubt.objects.values_list("image", flat=True))


def test_a_run_writes_its_doubts_with_both_classes_and_where_they_come_from(run):
    (wanted,) = write(run, [3])
    found = LabelDoubt.objects.get()
    member = SnapshotMember.objects.get(snapshot=run.snapshot, image=wanted)
    assert (found.image_id, found.given_id, found.source) == (wanted, member.label_class_id, run.source)
    assert found.suggested_id != found.given_id
    assert (found.given_probability, found.suggested_probability) == (0.1, 0.9)


def test_the_next_run_replaces_the_doubts_of_the_one_before(run):
    write(run, [1, 2])
    wanted = write(run, [2, 5])
    assert doubted() == set(wanted)


def test_a_kept_label_is_not_doubted_again_for_the_same_class(run, admin):
    first, second = write(run, [1, 2])
    row = LabelDoubt.objects.get(image=first)
    KeptLabel.objects.create(image=row.image, given=row.given, suggested=row.suggested, reviewer=admin)
    write(run, [1, 2])
    assert doubted() == {second}


@pytest.mark.parametrize(("later", "comes_back"), [(None, True), ([], False), ([5], False)])
def test_a_doubt_comes_back_with_its_label_unless_a_later_run_had_its_say(run, admin, project, later, comes_back):
    (wanted,) = write(run, [1])
    image = Image.objects.get(pk=wanted)
    said = Label.objects.create(image=image, label_class=image.label_class, source=Label.Source.IMPORT)
    Reference.objects.create(image=image, label=said)
    before = LabelDoubt.objects.values().get()
    label_scan(actor=admin, image=image, label_class=LabelDoubt.objects.get().suggested)
    others = set() if later is None else set(write(run, later))
    undo_last(actor=admin, project=project, task="label")
    assert doubted() == ({wanted} if comes_back else others)
    if comes_back:
        assert LabelDoubt.objects.values().get() == before


@pytest.mark.parametrize(
    "change",
    [{"approval_status": "rejected"}, {"label_class": None}, {"erased_at": "2026-01-01T00:00:00Z"}],
    ids=["rejected", "withdrawn", "erased"],
)
def test_a_label_that_no_longer_stands_is_not_doubted(run, change):
    rows = members(run, "train", "val")
    Image.objects.filter(pk=rows[1].image_id).update(**change)
    write(run, [1, 2])
    assert doubted() == {rows[2].image_id}


class Burst:
    """Scans of one burst look the same; the first burst is the least sure one."""

    def __init__(self, bursts: dict[int, int]) -> None:
        self.bursts = bursts

    needs_views = False

    def predict(self, tiles, pixels):
        bursts = [self.bursts[int(tile.astype(np.int64).sum())] for tile in tiles]
        top = np.array([0.5 + 0.1 * burst for burst in bursts])
        shares = np.stack([top, 1 - top], axis=1)
        return SimpleNamespace(probabilities=shares, features=np.eye(3, dtype=np.float32)[bursts])


def test_the_queue_hands_out_one_scan_of_each_burst_first(run, make_scan, author, monkeypatch):
    from training.process.tiles import read

    made = [make_scan(seed=seed) for seed in range(6)]
    burst_of = {image.pk: place // 2 for place, image in enumerate(made)}
    by_tile = {int(read(image).astype(np.int64).sum()): burst_of[image.pk] for image in made}
    assert len(by_tile) == 6
    monkeypatch.setattr(scores, "CHUNK", 4)
    # Without labels and of no data set are the six new ones only.
    scores.write(Burst(by_tile), Recorder(run, 1))  # type: ignore[arg-type]
    assert QueueScore.objects.count() == 6
    handed = [
        claim_scans(actor=author, project=run.project, task="label", order="uncertain")[0].image_id for _ in range(6)
    ]
    assert [burst_of[pk] for pk in handed[:3]] == [0, 1, 2], "one of each, the least sure first"
    assert [burst_of[pk] for pk in handed[3:]] == [0, 1, 2], "then what is left, the least sure first"


def test_a_run_that_is_stopped_leaves_the_queue_as_it_was(run, make_scan):
    QueueScore.objects.create(image=make_scan(seed=1), score=0.3)
    recorder = Recorder(run, 1)
    recorder.stop()
    scores.write(Burst({}), recorder)  # type: ignore[arg-type]
    assert QueueScore.objects.get().score == 0.3
