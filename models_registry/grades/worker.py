"""The worker side of a grade. Only the attempt that holds the row writes."""

import logging
import time
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import QuerySet

from images.renditions import tile
from mediscan_site.core import audit, work
from mediscan_site.core.again import done_again
from mediscan_site.core.models import WorkStatus
from models_registry.grades import against, heatmaps
from models_registry.models import DeployedModel, Grade, ModelVersion
from models_registry.versions import lineage, serving
from models_registry.versions.failures import fail

log = logging.getLogger(__name__)


def run_grade(pk: int) -> None:
    """Claim the grade, answer it, then draw its heat map. Whatever goes wrong ends in a failed row that says so."""
    attempt = work.claim(Grade, pk)
    if attempt is None:
        return
    grade = _grades().get(pk=pk)
    try:
        with work.keep_alive(Grade, pk, attempt):
            answer = _answer(grade)
    except Exception as error:
        fail(grade, attempt, error)
        return
    if _finish(grade, attempt, answer):
        _draw(pk)


def warm_up(pk: int) -> None:
    """Bring a version into memory, or (0) those deployed last. One that cannot be loaded says so when it is asked."""
    serving_now = DeployedModel.objects.order_by("-deployment").values("deployment__model")[: serving.CAPACITY]
    wanted = [pk] if pk else [row["deployment__model"] for row in serving_now]
    for model in ModelVersion.objects.filter(pk__in=wanted).select_related("bundle"):
        try:
            serving.predictor(model)
        except serving.BundleDamaged as error:
            log.warning("Not loaded in advance: %s", error)


def _grades() -> QuerySet[Grade]:
    return Grade.objects.select_related(
        "image",
        "image__blob",
        "image__metadata",
        "model__project",
        "model__bundle",
        "project",
        "requested_by",
        "heatmap",
    )


def _answer(grade: Grade) -> dict[str, Any]:
    """The columns of the answer. `confidence` stays null without calibration: an uncalibrated number is not shown as one."""
    started = time.perf_counter()
    predictor = serving.predictor(grade.model)
    predictions = predictor.predict(np.stack([tile(grade.image)]))
    shares = predictions.probabilities[0]
    best = int(predictions.classes[0])
    confidence = float(predictions.confidences[0])
    verdict = predictor.decide(predictions, against=against.reasons(grade.model, grade.image, predictor.manifest))
    known, spread = predictions.resemblance, predictions.spread
    took_ms = round((time.perf_counter() - started) * 1000, 3)
    ids = [entry["id"] for entry in grade.model.classes]
    return {
        "prediction_id": ids[best],
        "confidence": confidence if predictions.calibrated else None,
        "probabilities": {str(pk): float(share) for pk, share in zip(ids, shares, strict=True)},
        "decision": verdict.decision,
        "reasons": list(verdict.reasons),
        "distance": None if known is None else float(known.distances[0]),
        "spread": None if spread is None else float(spread[0]),
        "seen_in": lineage.seen_in(grade.model, grade.image),
        "latency_ms": took_ms,
    }


@done_again
def _finish(grade: Grade, attempt: int, answer: dict[str, Any]) -> bool:
    with transaction.atomic():
        if not work.finish(Grade, grade.pk, attempt, status=WorkStatus.SUCCEEDED, **answer):
            return False
        details = {"model": grade.model_id, "decision": answer["decision"]}
        audit.record("grade.finish", actor=grade.requested_by, obj=grade, project=grade.project_id, details=details)
    return True


def _draw(pk: int) -> None:
    """The grade is kept without its picture: it is drawn for whoever asks for it later."""
    try:
        heatmaps.draw(_grades().get(pk=pk))
    except Exception:
        log.exception("No heat map for grade %s", pk)
