"""Read queries of training, for pages and API."""

from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import Prefetch, QuerySet

from images.models import Project
from mediscan_site.core.models import User
from models_registry.models import Evaluation
from models_registry.versions.report import figure
from training import policies
from training.engine.config import OPTIONS
from training.models import TrainingRun

# The protocol's names of what a run measured on its test split, and the report's.
PERFORMANCE: Final = {
    "precision": "precision",
    "recall": "recall",
    "f1_score": "f1",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "auroc": "auroc",
    "auprc": "auprc",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ece": "ece",
    "brier": "brier",
    "coverage": "coverage",
}


def runs(user: User | AnonymousUser) -> QuerySet[TrainingRun]:
    """The user's runs with all that a list shows: four queries however many."""
    first = Evaluation.objects.filter(origin=Evaluation.Origin.TRAINING).order_by("pk")
    return (
        policies.visible_runs(user)
        .select_related("project", "snapshot", "base_model", "model", "created_by", "inputs_sheet")
        .prefetch_related("epochs", Prefetch("model__evaluations", queryset=first, to_attr="first_readings"))
    )


def active_run(project: Project) -> TrainingRun | None:
    """The project's queued or running run, of which there is at most one."""
    return TrainingRun.objects.filter(project=project, active=True).first()


def told(run: TrainingRun) -> list[tuple[str, str, str]]:
    """What the run was told: name, label and value of each option; a run of earlier days lacks the options that came later."""
    config = run.config
    return [(name, option.label, _said(config[name])) for name, option in OPTIONS.items() if name in config]


def _said(value: Any) -> str:
    return str(value) if not isinstance(value, bool) else "yes" if value else "no"


def epochs(run: TrainingRun) -> list[dict[str, Any]]:
    """What each epoch measured, in order: `epoch`, `phase` and the engine's numbers."""
    return [{**row.metrics, "epoch": row.epoch, "phase": row.phase} for row in run.epochs.all()]


def seconds(run: TrainingRun) -> float:
    """What its epochs took together: of all networks, those left out included, and folds, whichever attempt measured them."""
    return round(sum(float(row.metrics["seconds"]) for row in run.epochs.all()), 1)


def evaluation(run: TrainingRun) -> Evaluation | None:
    """The one reading of the test split that belongs to the run."""
    if run.model is None:
        return None
    loaded: list[Evaluation] | None = getattr(run.model, "first_readings", None)
    if loaded is not None:
        return loaded[0] if loaded else None
    return run.model.evaluations.filter(origin=Evaluation.Origin.TRAINING).order_by("pk").first()


def performance(run: TrainingRun) -> dict[str, Any]:
    """Figures on the test split with their 95 % intervals and what they rest on; empty before the run has succeeded."""
    reading = evaluation(run)
    if reading is None:
        return {}
    report = reading.metrics
    figures = {name: figure(report, key) for name, key in PERFORMANCE.items() if key in report}
    intervals = {
        name: [figure(report, key, "low"), figure(report, key, "high")]
        for name, key in PERFORMANCE.items()
        if figure(report, key, "low") is not None
    }
    return {
        **figures,
        "intervals": intervals,
        "n": report.get("n"),
        "grouping": run.snapshot.grouping,
        "test_reads": reading.test_reads,
    }
