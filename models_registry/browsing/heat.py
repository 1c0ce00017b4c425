"""Heat maps of what an evaluation kept: a worker draws those of a page when somebody asks; they are stored like those of grades."""

import logging
from collections.abc import Sequence
from typing import BinaryIO, Final

from django.db import transaction

from images.models import Image
from images.policies import VIEW, require
from mediscan_site.core import work
from mediscan_site.core.errors import NotFound
from mediscan_site.core.models import Blob, User
from mediscan_site.core.storage import blobs
from models_registry.browsing import kept
from models_registry.grades.heatmaps import PNG, picture
from models_registry.models import ModelVersion, ScanAnswer

log = logging.getLogger(__name__)

# As many as a page of the gallery shows.
MOST: Final = 24
# The task that draws. By name: the task's module is above this one.
DRAW: Final = "models_registry.draw_answer"


def request_heatmaps(*, actor: User, model: ModelVersion, answers: Sequence[int]) -> int:
    """Have a worker draw those of these answers that have none; how many were asked for, MOST at once.

    A scan of several frames is answered from several: there is no one picture to lay a heat map over."""
    require(actor, VIEW, model.project)
    rows = kept.visible(actor).filter(evaluation__model=model, pk__in=list(answers)[:MOST], heatmap=None)
    keys = [row.pk for row in rows.select_related("image") if row.image.frames_shown == 1]
    for key in keys:
        work.send_named(DRAW, key)
    return len(keys)


def open_heatmap(*, actor: User, answer: ScanAnswer) -> tuple[BinaryIO, Blob]:
    """To be laid over a thumbnail, and like one no opening of the scan."""
    require(actor, VIEW, answer.image.project)
    if answer.heatmap is None:
        raise NotFound("Nobody has asked for this heat map yet.")
    return blobs.open_blob(answer.heatmap), answer.heatmap


def draw(pk: int) -> None:
    """The worker's side. What cannot be drawn stays without; it may be asked for again."""
    related = ("image__blob", "image__project", "evaluation__model__bundle", "evaluation__model__graph__blob")
    rows = ScanAnswer.objects.select_related(*related).filter(pk=pk, heatmap=None, image__erased_at=None)
    answer = rows.first()
    if answer is None:
        return
    try:
        _store(answer, picture(answer.evaluation.model, answer.image, answer.said_id))
    except Exception:
        log.exception("No heat map for %s", answer)


def _store(answer: ScanAnswer, png: bytes) -> None:
    blob = blobs.write(png, namespace=blobs.namespace(answer.image.project_id), content_type=PNG)
    with blobs.discarded_on_failure(blob), transaction.atomic():
        # An erased scan takes its heat maps along. Its erasure holds this row too: none may appear after it.
        there = Image.objects.select_for_update().filter(pk=answer.image_id, erased_at__isnull=True)
        blob.save(force_insert=True)
        stored = ScanAnswer.objects.filter(pk=answer.pk, heatmap=None, image__in=list(there)).update(heatmap=blob)
        if not stored:
            transaction.set_rollback(True)
    if not stored:
        blobs.discard(blob)
