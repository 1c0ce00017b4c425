"""Runs that are cancelled, killed or cannot go on: real processes, killed for real."""

import signal

import pytest
from django.conf import settings

from images.models import Rendition
from labeling.models import SnapshotMember
from mediscan_site.core import sweeping
from mediscan_site.core.models import AuditEvent, Blob, WorkStatus
from mediscan_site.core.storage import blobs
from models_registry.models import Evaluation, ModelVersion
from tests.conftest import PATIENCE_S
from tests.training.process.watching import in_the_background, killed_after, make_silent, row, wait_for
from training.models import EpochMetrics, TrainingRun
from training.process import ending, runner
from training.process.child import EXIT_STOPPED
from training.services import cancel_run

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_run_whose_worker_is_killed_is_resumed_from_its_checkpoint_and_makes_one_version(tiny):
    run = tiny(epochs=4)
    killed_after(run, 1)
    assert row(run).status == "running", "nobody could write how it ended"
    saved = row(run).checkpoint
    assert saved
    assert len(blobs.read(saved)) > 0
    before = dict(EpochMetrics.objects.filter(run=run).values_list("pk", "metrics"))
    assert len(before) == 1
    make_silent(run)
    sweeping.sweep()
    assert row(run).status == "queued"
    runner.run(run.pk)
    done = row(run)
    assert (done.status, done.attempt, done.active, done.checkpoint) == ("succeeded", 2, None, None)
    assert list(run.epochs.values_list("epoch", flat=True)) == [1, 2, 3, 4]
    assert dict(EpochMetrics.objects.filter(run=run, epoch=1).values_list("pk", "metrics")) == before
    assert ModelVersion.objects.get().source == run.source
    assert Evaluation.objects.get().test_reads == 1
    assert not Blob.objects.filter(pk=saved.pk).exists(), "checkpoints are destroyed when they have served"


def test_a_running_run_is_cancelled_long_before_its_end_and_leaves_no_version(tiny, admin, settings):
    settings.WORK_LEASE_S = 1  # a fifth of it until the worker hears of the cancellation
    run = tiny(epochs=500)

    worker = in_the_background(run)
    try:
        wait_for(lambda: run.epochs.count() >= 1)
        cancel_run(actor=admin, run=run)
    finally:
        worker.join(timeout=PATIENCE_S)
    assert run.epochs.count() < 500
    done = row(run)
    assert (done.status, done.active, done.error) == ("cancelled", None, "")
    assert "Cancelled" in done.message
    assert done.checkpoint is None
    assert not ModelVersion.objects.exists()
    assert AuditEvent.objects.filter(action="run.finish", details__status="cancelled").exists()


def test_a_damaged_scan_ends_the_run_with_its_name_and_the_remedy(tiny):
    run = tiny()
    member = SnapshotMember.objects.filter(snapshot=run.snapshot, split="train").first()
    assert member
    tile = Rendition.objects.get(image=member.image, kind="tile").blob
    stored = settings.DATA_DIR / "blobs" / tile.path
    stored.chmod(0o600)
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    runner.run(run.pk)
    done = row(run)
    assert (done.status, done.active) == ("failed", None)
    assert member.image.code in done.error
    assert "verify_images" in done.error
    assert not ModelVersion.objects.exists()


def test_a_run_for_a_gpu_on_a_machine_without_one_fails_with_the_remedy(tiny, monkeypatch):
    run = tiny()
    monkeypatch.setenv("TRAINING_DEVICE", "cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    runner.run(run.pk)
    assert row(run).status == "failed"
    assert "set TRAINING_DEVICE=cpu" in row(run).error


def checkpointed(run: TrainingRun) -> Blob:
    blob = blobs.write(b"weights", namespace="test", content_type="application/octet-stream")
    blob.save(force_insert=True)
    TrainingRun.objects.filter(pk=run.pk).update(checkpoint=blob)
    return blob


@pytest.mark.parametrize("code", [-signal.SIGKILL, -signal.SIGTERM, EXIT_STOPPED])
def test_a_killed_training_process_is_left_to_be_resumed_with_its_checkpoint(running, code):
    saved = checkpointed(running)
    runner._conclude(running.pk, 1, code)
    assert (row(running).status, row(running).active, row(running).checkpoint) == ("running", True, saved)


def test_a_training_process_killed_too_often_fails_with_a_hint_at_memory(running):
    TrainingRun.objects.update(attempt=settings.WORK_MAX_ATTEMPTS)
    runner._conclude(running.pk, settings.WORK_MAX_ATTEMPTS, -signal.SIGKILL)
    assert (row(running).status, row(running).active) == ("failed", None)
    assert "memory" in row(running).error


def test_a_training_process_that_exits_badly_fails_the_run(running):
    runner._conclude(running.pk, 1, 1)
    assert (row(running).status, row(running).active) == ("failed", None)
    assert "exit status 1" in row(running).error


def test_a_worker_that_was_fenced_off_writes_nothing(running):
    TrainingRun.objects.update(attempt=2)
    runner._conclude(running.pk, 1, 1)
    assert not ending.end(running.pk, 1, status=WorkStatus.FAILED, error="late")
    assert (row(running).status, row(running).error, row(running).active) == ("running", "", True)


def test_a_cancel_that_comes_after_the_version_was_made_does_not_deny_it(running, make_version):
    model = make_version(running.snapshot, source=running.source)
    TrainingRun.objects.update(cancel_requested=True)
    runner._conclude(running.pk, 1, -signal.SIGKILL)
    assert (row(running).status, row(running).model) == ("succeeded", model)


def test_a_run_that_the_sweeper_ends_frees_the_project_and_loses_its_checkpoint(running):
    saved = checkpointed(running)
    TrainingRun.objects.update(attempt=settings.WORK_MAX_ATTEMPTS)
    make_silent(running)
    sweeping.sweep()
    assert (row(running).status, row(running).active) == ("failed", None)
    ending.sweep_checkpoints()
    assert row(running).checkpoint is None
    assert not (settings.DATA_DIR / "blobs" / saved.path).exists()
