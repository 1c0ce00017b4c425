"""Runs with folds and several networks: what is refused, what they leave, and a worker that is killed in between."""

from types import SimpleNamespace

import numpy as np
import pytest

from labeling.models import LabelDoubt, SnapshotMember
from mediscan_site.core import sweeping
from mediscan_site.core.errors import Conflict, Invalid
from models_registry.versions import serving
from tests.training.process.watching import killed_after, make_silent, row
from training.models import EpochMetrics, TrainingRun
from training.process import packing, runner
from training.services import start_run
from training.wishes import Wishes


@pytest.mark.django_db(transaction=True)
def test_a_killed_run_with_folds_repeats_nothing_finished_and_leaves_an_ensemble_and_doubts(tiny):
    run = tiny(architecture="resnet_compact", epochs=2, members=2, folds=2)
    killed_after(run, 5)
    assert list(run.epochs.values_list("phase", flat=True))[4:] == ["fold 1.1 full"]
    before = dict(EpochMetrics.objects.filter(run=run, epoch__lte=4).values_list("pk", "metrics"))
    assert len(before) == 4
    make_silent(run)
    sweeping.sweep()
    runner.run(run.pk)
    done = row(run)
    assert (done.status, done.error, done.attempt, done.progress) == ("succeeded", "", 2, 1.0)
    phases = [f"{name} full" for name in ("member 1", "member 2", "fold 1.1", "fold 1.2", "fold 2.1", "fold 2.2")]
    assert list(run.epochs.values_list("epoch", "phase")) == [(n + 1, phases[n // 2]) for n in range(12)]
    again = dict(EpochMetrics.objects.filter(run=run, epoch__lte=4).values_list("pk", "metrics"))
    assert again == before, "the networks that were finished, to the second"
    assert done.model
    predictor = serving.predictor(done.model)
    assert predictor.manifest.members == 2
    assert (done.model.calibration["origin"], done.model.calibration["networks"]) == ("out of fold", 2)
    facts = done.model.card["training"]
    assert facts["members"] == 2
    assert facts["seconds"] == round(sum(epoch.metrics["seconds"] for epoch in run.epochs.all()), 1)
    assert facts["latency_ms"] > 0
    outside = SnapshotMember.objects.filter(snapshot=run.snapshot).exclude(split="test").values("image")
    assert not LabelDoubt.objects.exclude(image__in=outside).exists()
    assert not LabelDoubt.objects.exclude(source=run.source).exists()


@pytest.mark.django_db
def test_one_fold_is_refused(project, admin, bare_snapshot):
    with pytest.raises(Invalid, match="must be 0 for none, or 2 to 10") as refused:
        start_run(actor=admin, project=project, snapshot=bare_snapshot(), wishes=Wishes.of(folds=1))
    assert refused.value.attr == "folds"


@pytest.mark.django_db
def test_too_few_patients_for_the_folds_are_refused_before_anything_runs(project, admin, bare_snapshot):
    snapshot = bare_snapshot(6)
    with pytest.raises(Conflict, match="'NORMAL' has scans of 6 patients outside the test split; 7 folds need 7") as no:
        start_run(actor=admin, project=project, snapshot=snapshot, wishes=Wishes.of(folds=7))
    assert no.value.code == "not_enough_data"
    assert not TrainingRun.objects.exists()
    run = start_run(actor=admin, project=project, snapshot=snapshot, wishes=Wishes.of(folds=6, members=3))
    assert (run.config["folds"], run.config["members"]) == (6, 3)


@pytest.mark.django_db
def test_a_run_that_continues_from_a_model_has_no_folds(project, admin, bare_snapshot, make_version):
    snapshot = bare_snapshot(6)
    with pytest.raises(Invalid, match="has learned from the scans that the folds hold out") as refused:
        start_run(
            actor=admin,
            project=project,
            snapshot=snapshot,
            wishes=Wishes.of(base_model=make_version(snapshot), folds=3),
        )
    assert refused.value.attr == "folds"


@pytest.mark.parametrize(("budget", "kept"), [(1000, 3), (300, 3), (299, 2), (150, 1), (10, 1)])
def test_networks_beyond_the_latency_budget_are_left_out_one_by_one(monkeypatch, settings, budget, kept):
    from models_registry.inference.preprocess import Preprocess
    from training.engine.report import FitResult

    settings.TRAINING_LATENCY_BUDGET_MS = budget
    monkeypatch.setattr(packing, "latency_ms", lambda predictor: 100.0 * predictor)
    monkeypatch.setattr(packing, "pack", lambda run, config, data, fitted, scans, known: (b"bundle", fitted.members))
    member = FitResult({}, (), 1, np.zeros((2, 2), dtype=np.float32), Preprocess(28, 0.5, 0.2), False, 1.0)
    calibrated: list[int] = []
    packed = packing.pack_affordable(
        SimpleNamespace(), SimpleNamespace(), SimpleNamespace(), [member] * 3,  # type: ignore[arg-type]
        lambda fitted: calibrated.append(fitted.members),  # type: ignore[arg-type,return-value]
        lambda fitted: None,  # type: ignore[arg-type,return-value]
    )  # fmt: skip
    assert (packed.fitted.members, packed.left_out, packed.latency_ms) == (kept, 3 - kept, 100.0 * kept)
    assert calibrated == list(range(3, kept - 1, -1))
