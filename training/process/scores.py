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
from training.engine.ordering import scores
from training.process.recorder import Recorder
from training.process.tiles import TileUnusable, read

log = logging.getLogger(__name__)

# The order takes a pass over all scans for each of them, and reading them takes most of the time; this many labels are
# seldom made before the next training.
LIMIT: Final = 500
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
    keys, features, unsure = [], [], []
    for start in range(0, len(newest), CHUNK):
        if recorder.should_stop():
            return
        read_ones, tiles = _read(newest[start : start + CHUNK])
        if read_ones:
            keys += read_ones
            features.append(predictor.features(tiles))
            unsure.append(uncertainty(predictor.predict(tiles).probabilities))
        recorder.progress(start / len(newest), "scoring unlabelled scans for the queue")
    if keys:
        _replace(recorder.run.project_id, keys, scores(np.concatenate(features), np.concatenate(unsure)))


def _read(scans: list[Image]) -> tuple[list[int], npt.NDArray[np.uint8]]:
    keys, tiles = [], []
    for scan in scans:
        try:
            tiles.append(read(scan))
        except TileUnusable as error:
            # It has no part in the model; opening it will say so too.
            log.warning("Not scored: %s", error)
        else:
            keys.append(scan.pk)
    return keys, np.stack(tiles) if tiles else np.zeros((0, 0, 0), dtype=np.uint8)


@done_again
def _replace(project: int, keys: list[int], found: Floats) -> None:
    """All scores of the run together: they are places in one order, which those of an earlier one would disturb."""
    rows = [QueueScore(image_id=pk, score=float(score)) for pk, score in zip(keys, found, strict=True)]
    with transaction.atomic():
        QueueScore.objects.filter(image__project=project).delete()
        QueueScore.objects.bulk_create(rows)
