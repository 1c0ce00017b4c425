import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from labeling.models import QueueScore
from mediscan_site.core import work
from mediscan_site.core.models import WorkStatus
from models_registry.book import gateway
from models_registry.book.gateway import MlflowAway
from tests.conftest import PATIENCE_S
from training.models import EpochMetrics, TrainingRun
from training.process import child, runner, scores
from training.process.book import Book
from training.process.recorder import Pace, Recorder, duration


def run_of(project, admin, snapshot, **columns) -> TrainingRun:
    values = {"status": WorkStatus.RUNNING, "attempt": 1, "config": {"initialisation_note": ""}, **columns}
    return TrainingRun.objects.create(project=project, snapshot=snapshot, created_by=admin, **values)


@pytest.fixture
def recorder(project, admin, bare_snapshot):
    return Recorder(run_of(project, admin, bare_snapshot()), attempt=1)


class Report:
    def __init__(self, epoch: int, val_loss: float) -> None:
        self._values = {"epoch": epoch, "phase": "full", "val_loss": val_loss}

    def to_dict(self):
        return dict(self._values)


def test_the_same_epoch_measured_again_replaces_the_row_of_the_lost_attempt(recorder):
    recorder.epoch(Report(1, 0.5))  # type: ignore[arg-type]
    recorder.epoch(Report(1, 0.4))  # type: ignore[arg-type]
    assert EpochMetrics.objects.get().metrics == {"val_loss": 0.4}


def test_progress_is_written_at_most_twice_a_second(recorder, django_assert_num_queries):
    recorder.stage(0.0, 0.5, "training")
    with django_assert_num_queries(0):
        for step in range(100):
            recorder.progress(step / 100, "training")
    recorder._written_at -= 1
    recorder.progress(0.5, "epoch 1 of 2")
    recorder.run.refresh_from_db()
    assert (recorder.run.progress, recorder.run.message) == (0.25, "epoch 1 of 2")


def test_the_time_left_follows_from_the_pace_since_the_stage_was_first_seen():
    pace = Pace()
    assert pace.left(0.50, now=100.0) == ""
    assert pace.left(0.52, now=101.0) == ""
    assert pace.left(0.75, now=160.0) == ", about 60 s left"
    # Another loop within the stage starts from the beginning.
    assert pace.left(0.0, now=161.0) == ""
    assert pace.left(0.10, now=191.0) == ", about 4 min left"
    assert pace.left(1.0, now=400.0) == ""
    assert [duration(s) for s in (0.2, 44, 89, 91, 5300, 9000)] == ["10 s", "40 s", "90 s", "2 min", "88 min", "2 h"]


def test_the_time_left_is_written_with_the_progress(recorder):
    recorder.stage(0.0, 1.0, "training")
    assert recorder._pace.since is not None
    recorder._pace.since -= 60
    recorder._written_at = 0.0
    recorder.progress(0.2, "epoch 3 of 20")
    recorder.run.refresh_from_db()
    assert recorder.run.message == "epoch 3 of 20, about 4 min left"


def test_an_attempt_that_was_taken_over_stops_and_writes_neither_epoch_nor_checkpoint(recorder):
    TrainingRun.objects.update(attempt=2)
    with pytest.raises(work.Stopped):
        recorder.epoch(Report(1, 0.5))  # type: ignore[arg-type]
    with pytest.raises(work.Stopped):
        recorder.checkpoint(b"weights")
    assert recorder.should_stop()
    assert not EpochMetrics.objects.exists()
    recorder.run.refresh_from_db()
    assert recorder.run.checkpoint is None


def test_a_cancelled_run_is_noticed_by_its_next_progress(recorder):
    TrainingRun.objects.update(cancel_requested=True)
    assert not recorder.should_stop()
    recorder.progress(0.1, "training")
    assert recorder.should_stop()


def test_a_checkpoint_is_encrypted_and_replaces_the_one_before(recorder, settings):
    recorder.checkpoint(b"first weights " * 100)
    first = recorder.run.checkpoint
    recorder.checkpoint(b"second weights " * 100)
    second = recorder.run.checkpoint
    assert first
    assert second
    folder = settings.DATA_DIR / "blobs"
    assert not (folder / first.path).exists()
    assert b"weights" not in (folder / second.path).read_bytes()
    recorder.run.refresh_from_db()
    assert recorder.run.checkpoint == second


def test_uncertainty_is_one_for_a_tie_and_nothing_for_certainty():
    pairs = scores.uncertainty(np.array([[0.5, 0.5], [1.0, 0.0], [0.8, 0.2]]))
    assert pairs == pytest.approx([1.0, 0.0, 1 - abs(2 * 0.8 - 1)])
    assert scores.uncertainty(np.array([[0.4, 0.4, 0.2]])) == pytest.approx([1.0])


class Unsure:
    """Says 0.5 of every scan."""

    needs_views = False

    def predict(self, tiles, pixels):
        n = len(tiles)
        return SimpleNamespace(probabilities=np.full((n, 2), 0.5), features=np.zeros((n, 3), dtype=np.float32))


def test_unlabelled_scans_are_scored_labelled_ones_not_and_a_second_run_replaces_the_scores(recorder, make_scan):
    unlabelled = make_scan(seed=1)
    make_scan(seed=2, label="NORMAL")
    QueueScore.objects.create(image=unlabelled, score=0.1)
    scores.write(Unsure(), recorder)  # type: ignore[arg-type]
    assert list(QueueScore.objects.values_list("image", "score")) == [(unlabelled.pk, 1.0)]


@pytest.mark.django_db(transaction=True)
def test_the_laboratory_book_gives_up_after_one_refusal_and_holds_nobody_up(project, admin, bare_snapshot, monkeypatch):
    calls: list[str] = []
    answer = threading.Event()

    def away(*args) -> str:
        calls.append("asked")
        assert answer.wait(PATIENCE_S)
        raise MlflowAway("away")

    monkeypatch.setattr(gateway, "start_run", away)
    monkeypatch.setattr(gateway, "log_epoch", away)
    book = Book(run_of(project, admin, bare_snapshot()))
    book.open({})
    for epoch in range(50):
        book.epoch(epoch, {})
    answer.set()  # not before: whoever waited for it would wait for ever, and the test with it
    assert book.run_id() == ""
    book.close()
    assert calls == ["asked"]


@pytest.mark.django_db(transaction=True)
def test_the_laboratory_book_keeps_its_page_on_the_run(project, admin, bare_snapshot, monkeypatch):
    written = []
    monkeypatch.setattr(gateway, "start_run", lambda project, code, params: f"page of {code}")
    monkeypatch.setattr(gateway, "log_epoch", lambda *args: written.append(args))
    noted: list[str] = []
    monkeypatch.setattr(gateway, "log_dataset", lambda run_id, *_: noted.append(run_id))
    run = run_of(project, admin, bare_snapshot())
    book = Book(run)
    book.open({"epochs": 1})
    book.epoch(1, {"val_loss": 0.5})
    assert book.run_id() == f"page of {run.source}"
    book.close()
    assert written == [(f"page of {run.source}", 1, {"val_loss": 0.5})]
    assert noted == [f"page of {run.source}"]
    run.refresh_from_db()
    assert run.mlflow_run_id == f"page of {run.source}"


def test_a_version_made_by_a_lost_attempt_is_taken_instead_of_training_again(
    project, admin, bare_snapshot, make_version
):
    snapshot = bare_snapshot()
    run = run_of(project, admin, snapshot)
    model = make_version(snapshot, source=run.source)
    assert child.execute(run.pk, 1) == 0
    run.refresh_from_db()
    assert (run.status, run.model, run.active) == ("succeeded", model, None)


def test_an_attempt_that_no_longer_stands_does_nothing(project, admin, bare_snapshot):
    run = run_of(project, admin, bare_snapshot(), attempt=2)
    assert child.execute(run.pk, 1) == child.EXIT_STOPPED
    run.refresh_from_db()
    assert run.status == "running"


def test_a_run_that_is_not_queued_is_not_started(project, admin, bare_snapshot, monkeypatch):
    run = run_of(project, admin, bare_snapshot())
    monkeypatch.setattr(runner, "_execute", lambda *_: pytest.fail("started"))
    runner.run(run.pk)


@pytest.mark.django_db(transaction=True)
def test_the_command_waits_for_a_worker_and_reports_how_the_run_ended(
    project, admin, make_snapshot, monkeypatch, capsys
):
    from training.process import ending

    make_snapshot(4)

    def worker() -> None:
        from django.db import connection

        while not (run := TrainingRun.objects.filter(status="queued").first()):
            time.sleep(0.05)
        TrainingRun.objects.filter(pk=run.pk).update(status="running", attempt=1)
        ending.end(run.pk, 1, status=WorkStatus.FAILED, error="The disk is full.")
        connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    with pytest.raises(CommandError, match="The disk is full") as ended:
        call_command("train", project.name, "--as", "admin", "--epochs", "2", "--pretrained", "false")
    thread.join()
    assert ended.value.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nowhere", "--as", "admin"], 2, "nowhere"),
        (["Chest X-ray", "--as", "nobody"], 2, "nobody"),
        (["Chest X-ray", "--as", "author"], 1, "train a model"),
        (["Chest X-ray", "--as", "admin", "--epochs", "0"], 1, "epochs"),
        (["Chest X-ray", "--as", "admin", "--dataset", "dataset999"], 1, "dataset999"),
    ],
)
def test_the_command_refuses_with_a_reason_and_an_exit_status(project, author, arguments, status, said):
    with pytest.raises(CommandError, match=said) as refused:
        call_command("train", *arguments)
    assert refused.value.returncode == status


@pytest.mark.parametrize(("of_another_data_set", "held_out"), [(False, True), (True, False)])
def test_no_scan_counts_as_held_out_that_may_have_chosen_an_epoch_of_the_version_to_continue_from(
    recorder, bare_snapshot, make_version, of_another_data_set, held_out
):
    run = recorder.run
    run.base_model = make_version(bare_snapshot() if of_another_data_set else run.snapshot)
    labels = np.arange(200, dtype=np.int64) % 2
    work = child.Training(run, recorder, Book(run))
    validation = SimpleNamespace(scan_labels=labels, scan_groups=tuple(f"p{n}" for n in range(200)))
    work.__dict__["scans"] = SimpleNamespace(sides=SimpleNamespace(validation=validation))
    assert work.division.held_out is held_out
