import pytest

from labeling.models import QueueScore
from mediscan_site.core.models import Blob
from models_registry.models import Evaluation, ModelVersion
from models_registry.versions import serving
from training import selectors
from training.models import TrainingRun
from training.process import runner

pytestmark = pytest.mark.django_db(transaction=True)


def finished(run: TrainingRun) -> TrainingRun:
    runner.run(run.pk)
    return TrainingRun.objects.select_related("model", "snapshot").get(pk=run.pk)


def test_a_run_makes_one_signed_version_that_loads_and_frees_the_project(tiny, make_scan):
    waiting = make_scan(seed=5)
    run = finished(tiny())
    assert (run.status, run.error, run.active, run.progress) == ("succeeded", "", None, 1.0)
    model = ModelVersion.objects.get()
    assert run.model == model
    assert model.source == f"training-run-{run.pk}"
    serving.warm(model)
    assert [row["epoch"] for row in selectors.epochs(run)] == [1, 2]
    assert "From scratch" in run.message
    assert run.environment["device"] in ("cpu", "cuda")
    assert run.checkpoint is None
    assert (run.inputs_sheet.content_type, run.shown_scans.count()) == ("image/png", 6)
    assert run.mlflow_run_id == "", "MLflow is away in this test, and the run went on without it"
    reading = Evaluation.objects.get(model=model)
    assert (reading.origin, reading.test_reads, reading.metrics["n"]) == ("training", 1, 6)
    figures = selectors.performance(run)
    assert {"precision", "recall", "f1_score", "accuracy", "balanced_accuracy", "auroc"} <= figures.keys()
    assert figures["grouping"] == "patient"
    assert 0 <= QueueScore.objects.get().score <= 1
    assert QueueScore.objects.get().image == waiting
    assert not Blob.objects.filter(content_type="application/octet-stream", erased_at__isnull=False).exists()
