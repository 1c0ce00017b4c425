"""The worker side of the laboratory book: brings a version, and what the training could not log, into MLflow."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from labeling.models import Snapshot
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.book import figures, gateway, servable
from models_registry.book.gateway import MlflowAway
from models_registry.models import Evaluation, ModelVersion
from models_registry.selectors import deployed_model, latest_evaluation
from models_registry.versions import cards

log = logging.getLogger(__name__)

PENDING_AT_ONCE = 20


def mirror_pending() -> None:
    """Every version that MLflow does not have in its present state. Stops at the first refusal: MLflow is away for all of them."""
    waiting = ModelVersion.objects.filter(mirrored_at__isnull=True).order_by("pk")
    for pk in list(waiting.values_list("pk", flat=True)[:PENDING_AT_ONCE]):
        if not mirror_version(pk):
            return


def mirror_version(pk: int) -> bool:
    """Log the run if the training could not, register the version, and move the alias if it serves. False: MLflow is away.

    Every step first checks whether it has been done, so a call repeated after a partial failure duplicates nothing.
    """
    model = ModelVersion.objects.select_related("project", "snapshot", "bundle").filter(pk=pk).first()
    if model is None:
        return True
    try:
        version = model.mlflow_version or _log_and_register(model)
        if deployed_model(model.project) == model:
            gateway.set_champion(model.project, version)
    except (MlflowAway, DamagedObject) as error:
        log.warning("%s is not in MLflow yet: %s", model.code, error)
        return False
    ModelVersion.objects.filter(pk=pk).update(mlflow_version=version, mirrored_at=timezone.now())
    return True


def _log_and_register(model: ModelVersion) -> str:
    training: dict[str, Any] = model.card.get("training", {})
    facts = {"architecture": model.architecture, "dataset": model.snapshot.code}
    params = {**facts, **training.get("params", {}), **training.get("environment", {})}
    run_id = model.mlflow_run_id or gateway.start_run(model.project, model.source, params)
    ModelVersion.objects.filter(pk=model.pk).update(mlflow_run_id=run_id)
    gateway.log_dataset(run_id, dataset_note(model.snapshot))
    gateway.log_epochs(run_id, training.get("epochs", []))
    evaluation = latest_evaluation(model)
    metrics = evaluation.metrics if evaluation else {}
    numbers = figures.numbers(metrics)
    gateway.log_final(
        run_id,
        numbers,
        figures.drawings(metrics, training.get("epochs", [])),
        {**servable.files(model, blobs.read(model.bundle)), **_cards(model, evaluation)},
    )
    return gateway.register(run_id, model.project, model_code=model.code, tags=_tags(model, numbers))


def dataset_note(snapshot: Snapshot) -> gateway.DatasetNote:
    """What the book may know about a data set: digests and counts."""
    return gateway.DatasetNote(
        name=snapshot.code,
        content_hash=snapshot.content_hash,
        test_hash=snapshot.test_hash,
        profile={
            "splits": cards.split_sizes(snapshot),
            "class_counts": snapshot.class_counts,
            "grouping": snapshot.grouping,
        },
    )


def _cards(model: ModelVersion, evaluation: Evaluation | None) -> dict[str, bytes]:
    whole = json.dumps(cards.card(model, evaluation), indent=1, ensure_ascii=False)
    return {"model_card.md": cards.text(model, evaluation).encode(), "model_card.json": whole.encode()}


def _tags(model: ModelVersion, numbers: Mapping[str, float]) -> dict[str, str]:
    """What distinguishes a version from the others in a list."""
    return {
        "architecture": model.architecture,
        "dataset": model.snapshot.code,
        "dataset_hash": model.snapshot.content_hash,
        "bundle_sha256": model.bundle_sha256,
        "bundle_signature": model.bundle_signature,
        **{name: f"{value:.4f}" for name, value in numbers.items()},
    }
