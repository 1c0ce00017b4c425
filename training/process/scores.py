"""Which unlabelled scans would teach the next model most: those the new one is least sure of, and unlike one another, come first
in the queue."""

import logging
from typing import Final

import numpy as np
import numpy.typing as npt
from django.db import transaction

from images.models import Image, LabelStatus
from labeling.models import QueueScore
from mediscan_site.core.again import done_again
from models_registry.inference.predictor import Predictor
from models_registry.versions import reading
from training.engine.ordering import scores
from training.process.recorder import Recorder
from training.process.tiles import TileUnusable, named

log = logging.getLogger(__name__)

# The order takes a pass over all scans for each of them, and reading them takes most of the time; this many labels are
# seldom made before the next training.
LIMIT: Final = QueueScore.MOST
CHUNK: Final = 32
Floats = npt.NDArray[np.float64]


def uncertainty(probabilities: Floats) -> Floats:
    """Probabilities (N, K) -> (N,) in 0..1: one less the margin of the two most probable classes; 1 - |2p - 1| for two
    (margin sampling: Scheffer et al., "Active Hidden Markov Models for Information Extraction", 2001)."""
    top = np.sort(probabilities, axis=1)[:, -2:]
    return np.asarray(1 - (top[:, 1] - top[:, 0]), dtype=np.float64)


def write(predictor: Predictor, recorder: Recorder) -> None:
    """Order the newest unlabelled scans of the project, at most LIMIT. Asked to stop, it leaves the queue as it was."""
    scans = Image.objects.filter(
        project=recorder.run.project_id, label_status=LabelStatus.UNLABELED, erased_at__isnull=True
    )
    newest = list(scans.select_related("blob").order_by("-upload_date", "-pk")[:LIMIT])
    keys: list[int] = []
    features, unsure = [], []
    for start in range(0, len(newest), CHUNK):
        if recorder.should_stop():
            return
        readable = _readable(newest[start : start + CHUNK], predictor)
        if readable:
            said = predictor.predict(*reading.stacked(list(readable.values())))
            keys += readable
            features.append(said.features)
            unsure.append(uncertainty(said.probabilities))
        recorder.progress(start / len(newest), "scoring unlabelled scans for the queue")
    if keys:
        _replace(recorder.run.project_id, keys, scores(np.concatenate(features), np.concatenate(unsure)))


def _readable(scans: list[Image], predictor: Predictor) -> dict[int, reading.Input]:
    """By key, what the version is fed of each scan."""
    reading.fetch([predictor], scans)
    found = {}
    for scan in scans:
        try:
            with named(scan):
                found[scan.pk] = reading.one(predictor, scan)
        except TileUnusable as error:
            # It has no part in the model; opening it will say so too.
            log.warning("Not scored: %s", error)
    return found


@done_again
def _replace(project: int, keys: list[int], found: Floats) -> None:
    """All scores of the run together: they are places in one order, which those of an earlier one would disturb."""
    rows = [
        QueueScore(image_id=pk, project_id=project, score=float(score)) for pk, score in zip(keys, found, strict=True)
    ]
    with transaction.atomic():
        QueueScore.objects.filter(project=project).delete()
        QueueScore.objects.bulk_create(rows)
