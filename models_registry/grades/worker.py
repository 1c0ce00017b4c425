"""The worker side of a grade. Only the attempt that holds the row writes."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.db.models import QuerySet

from images.models import Image
from images.renditions import tile
from mediscan_site.core import audit, work
from mediscan_site.core.again import done_again
from mediscan_site.core.models import WorkStatus
from models_registry.grades import heatmaps, referrals
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
        "image", "image__blob", "model__project", "model__bundle", "project", "requested_by", "heatmap"
    )


def _answer(grade: Grade) -> dict[str, Any]:
    """The columns of the answer."""
    return answers(grade.model, [grade.image], [tile(grade.image)])[0]


def answers(
    model: ModelVersion, images: Sequence[Image], tiles: Sequence[npt.NDArray[np.uint8]]
) -> list[dict[str, Any]]:
    """The columns of the answer to each scan, read from its tile in one go. `confidence` stays null without calibration: an
    uncalibrated number is not shown as one. `latency_ms` is each scan's part of the time that all of them took."""
    started = time.perf_counter()
    predictor = serving.predictor(model)
    predictions = predictor.predict(np.stack(tiles))
    seen = lineage.seen_sides(model, images)
    ids = [entry["id"] for entry in model.classes]
    rows = []
    for place, image in enumerate(images):
        confidence = float(predictions.confidences[place])
        verdict = predictor.decide(confidence, other_modality=lineage.is_of_other_modality(model, image))
        shares = predictions.probabilities[place]
        rows.append(
            {
                "prediction_id": ids[int(predictions.classes[place])],
                "confidence": confidence if predictions.calibrated else None,
                "probabilities": {str(pk): float(share) for pk, share in zip(ids, shares, strict=True)},
                "decision": verdict.decision,
                "reasons": list(verdict.reasons),
                "seen_in": seen.get(image.pk),
            }
        )
    took_ms = round((time.perf_counter() - started) * 1000 / len(images), 3)
    return [{**row, "latency_ms": took_ms} for row in rows]


@done_again
def _finish(grade: Grade, attempt: int, answer: dict[str, Any]) -> bool:
    with transaction.atomic():
        if not work.finish(Grade, grade.pk, attempt, status=WorkStatus.SUCCEEDED, **answer):
            return False
        if answer["decision"] == Grade.Decision.REFER:
            referrals.open_for(grade.project_id, {grade.image_id: grade.pk})
        details = {"model": grade.model_id, "decision": answer["decision"]}
        audit.record("grade.finish", actor=grade.requested_by, obj=grade, project=grade.project_id, details=details)
    return True


def _draw(pk: int) -> None:
    """The grade is kept without its picture: it is drawn for whoever asks for it later."""
    try:
        heatmaps.draw(_grades().get(pk=pk))
    except Exception:
        log.exception("No heat map for grade %s", pk)
