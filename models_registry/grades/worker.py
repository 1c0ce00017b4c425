"""The worker side of grades: what waits for one version is answered together. Only the attempt that holds a row writes it."""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import QuerySet

from images.frames import Looked, all_looked_at, require_chosen
from images.models import Image
from images.renditions import stored_tiles
from mediscan_site.core import audit, batches, bell, garbage, work
from mediscan_site.core.again import done_again
from mediscan_site.core.batches import Taken
from mediscan_site.core.models import WorkStatus
from models_registry import selectors
from models_registry.grades import against, heatmaps, referrals
from models_registry.models import DeployedModel, Grade, ModelVersion
from models_registry.versions import accelerating, blind_reads, conditions, framing, lineage, reading, serving
from models_registry.versions.failures import fail
from models_registry.versions.framing import Framed
from models_registry.versions.reading import Input

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictions, Predictor

log = logging.getLogger(__name__)

# Scans that go through the networks together. More gain nothing, and let whoever comes next wait longer.
MOST_TOGETHER: Final = 16
Columns = dict[str, Any]


def run_grades(taken: Sequence[Taken]) -> None:
    """Answer the grades, all of one version. Whatever goes wrong with one ends in its own failed row that says so."""
    rows = _together([one.pk for one in taken])
    answers: dict[int, Columns | Exception]
    try:
        with batches.keep_alive(Grade, taken):
            answers = _answers([rows[one.pk] for one in taken])
    except Exception as error:
        answers = {one.pk: error for one in taken}
    good = [one for one in taken if isinstance(answers[one.pk], dict)]
    unwritten = _written(good, rows, answers)
    failed = {one: why for one in taken if isinstance(why := unwritten.get(one.pk) or answers[one.pk], Exception)}
    for one, why in failed.items():
        fail(rows[one.pk], one.attempt, why)
    if failed:
        bell.answered()


def run_grade(pk: int) -> None:
    """Claim one grade and answer it."""
    if taken := batches.claim(Grade, [pk]):
        run_grades(taken)


def warm_up(pk: int) -> None:
    """Bring a version into memory, or (0) those deployed last. One that cannot be loaded says so when it is asked."""
    _load(pk)
    # PyTorch among it, and nothing of this load, which ends some day.
    garbage.set_aside_once()


def _load(pk: int) -> None:
    fit_threads()
    serving_now = DeployedModel.objects.order_by("-deployment").values("deployment__model")[: serving.CAPACITY]
    wanted = [pk] if pk else [row["deployment__model"] for row in serving_now]
    for model in ModelVersion.objects.filter(pk__in=wanted).select_related("bundle", "graph__blob"):
        try:
            serving.predictor(model).warm(MOST_TOGETHER)
        except serving.BundleDamaged as error:
            log.warning("Not loaded in advance: %s", error)


def draw(pk: int) -> None:
    """The heat map of an answered grade, for somebody who waits for it. It can be asked for again, and is drawn then."""
    fit_threads()
    grade = _grades().filter(pk=pk, status=WorkStatus.SUCCEEDED, heatmap=None, image__erased_at=None).first()
    if grade is None:
        return
    try:
        heatmaps.draw(grade)
    except Exception:
        log.exception("No heat map for grade %s", pk)
    bell.answered()


def fit_threads() -> None:
    """PyTorch takes all cores by itself, in each of several grade workers. These alone may take a GPU."""
    import torch

    accelerating.allow()
    if torch.get_num_threads() != settings.GRADE_THREADS:
        torch.set_num_threads(settings.GRADE_THREADS)


def _together(keys: Sequence[int]) -> dict[int, Grade]:
    """The grades, all of one version, by key. It and its project are read once, not with each row; what only the first answer
    of a version needs, or a scan without a tile, is read when it is needed."""
    asked = Grade.objects.select_related("image__metadata", "requested_by")
    rows = asked.prefetch_related(stored_tiles("image")).in_bulk(keys)
    versions = ModelVersion.objects.select_related("project").defer("card", "reference", "calibration")
    model = versions.get(pk=next(iter(rows.values())).model_id)
    for grade in rows.values():
        grade.model, grade.project, grade.image.project = model, model.project, model.project
    return rows


def _grades() -> QuerySet[Grade]:
    related = ("image__blob", "image__metadata", "model__project", "model__bundle", "model__graph__blob", "project")
    rows = Grade.objects.select_related(*related, "requested_by", "heatmap").defer(*selectors.LONG_COLUMNS)
    return rows.prefetch_related(stored_tiles("image"))


def _answers(grades: Sequence[Grade]) -> dict[int, Columns | Exception]:
    """By the key of the grade, all of one version."""
    found = answers(grades[0].model, [grade.image for grade in grades], [grade.blind for grade in grades])
    return {grade.pk: one for grade, one in zip(grades, found, strict=True)}


def answers(
    model: ModelVersion, images: Sequence[Image], blind: Sequence[bool] | None = None
) -> list[Columns | Exception]:
    """Of each scan, in their order: the columns of the version's answer, or why there is none. `blind`: whether each is for an
    acceptance test (by default none is)."""
    started = time.perf_counter()
    predictor = serving.predictor(model)
    looked = all_looked_at(images, model.project)
    pictures = iter(reading.inputs(predictor, [image for image in images if image.frames_shown == 1]))
    given = [
        _framed(predictor, image, looked[image.pk]) if image.frames_shown > 1 else next(pictures) for image in images
    ]
    predicted = iter(_predicted(predictor, [one for one in given if isinstance(one, Input)]))
    seen = lineage.seen_in_all(model, images) if any(not isinstance(one, Exception) for one in given) else {}
    held = conditions.of_all(model, images, blind or [False] * len(images))
    found: list[Columns | Exception] = []
    for image, one, condition in zip(images, given, held, strict=True):
        said = next(predicted) if isinstance(one, Input) else one
        columns = said if isinstance(said, Exception) else _tried(model, image, predictor, said)
        if isinstance(columns, dict):
            columns |= condition.applied(columns["decision"], columns["reasons"])
            columns["seen_in"] = seen[image.pk]
            columns["latency_ms"] = round((time.perf_counter() - started) * 1000, 3)
        found.append(columns)
    return found


def _framed(predictor: "Predictor", image: Image, looked: Looked) -> Framed | Exception:
    """By itself: the frames of one scan are as many pictures as other scans together."""
    try:
        return framing.answer(predictor, image, looked.frames or require_chosen(image, image.project).frames)
    except Exception as error:
        return error


def _tried(
    model: ModelVersion, image: Image, predictor: "Predictor", said: "Predictions | Framed"
) -> Columns | Exception:
    try:
        if isinstance(said, Framed):
            return _answer(model, image, predictor, said.said) | said.columns()
        return _answer(model, image, predictor, said)
    except Exception as error:
        return error


def _predicted(predictor: "Predictor", pictures: Sequence[Input]) -> "Iterable[Predictions | Exception]":
    """One after the other where they do not go through together: one that cannot must not take the others along."""
    if not pictures:
        return []
    try:
        return predictor.predict(*reading.stacked(pictures)).each()
    except Exception as error:
        if len(pictures) == 1:
            return [error]
        log.warning("%s grades are answered one by one", len(pictures), exc_info=error)
        return [one for picture in pictures for one in _predicted(predictor, [picture])]


def _answer(model: ModelVersion, image: Image, predictor: "Predictor", predictions: "Predictions") -> Columns:
    """The columns of the answer from the predictions of this one scan. `confidence` stays null without calibration: an
    uncalibrated number is not shown as one."""
    shares = predictions.probabilities[0]
    best = int(predictions.classes[0])
    confidence = float(predictions.confidences[0])
    verdict = predictor.decide(predictions, against=against.reasons(model, image, predictor.manifest))
    known, spread = predictions.resemblance, predictions.spread
    ids = [entry["id"] for entry in model.classes]
    return {
        "prediction_id": ids[best],
        "confidence": confidence if predictions.calibrated else None,
        "probabilities": {str(pk): float(share) for pk, share in zip(ids, shares, strict=True)},
        "decision": verdict.decision,
        "reasons": list(verdict.reasons),
        "distance": None if known is None else float(known.distances[0]),
        "spread": None if spread is None else float(spread[0]),
    }


def _written(
    good: Sequence[Taken], rows: dict[int, Grade], answers: dict[int, Columns | Exception]
) -> dict[int, Exception]:
    """Write the answers; the errors of those that could not be. Together they cost one write to the disk."""
    pairs = [(one, rows[one.pk], answers[one.pk]) for one in good]
    try:
        _finish(pairs)
    except OperationalError:
        # The database is away: the rows fall silent, and are given out again.
        log.exception("%s answers could not be written", len(good))
        return {}
    except Exception as error:
        if len(good) == 1:
            return {good[0].pk: error}
        log.warning("%s answers are written one by one", len(good), exc_info=error)
        return {pk: why for one in good for pk, why in _written([one], rows, answers).items()}
    return {}


@done_again
def _finish(answered: Sequence[tuple[Taken, Grade, Any]]) -> None:
    with transaction.atomic():
        for one, grade, columns in answered:
            if not work.finish(Grade, grade.pk, one.attempt, status=WorkStatus.SUCCEEDED, **columns):
                continue
            # The trail and the worklist are seen by people who may be reading the scan for an acceptance test.
            if columns["decision"] == Grade.Decision.REFER and not grade.blind:
                referrals.open_for(grade.project_id, {grade.image_id: grade.pk})
            said = {} if grade.blind else {"decision": columns["decision"]}
            details = {"model": grade.model_id, **said}
            with batches.acting(one):
                audit.record(
                    "grade.finish", actor=grade.requested_by, obj=grade, project=grade.project_id, details=details
                )
                blind_reads.draw(grade, columns["decision"])
        bell.answered()
