"""What a run's version knows of its own limits, and what it says of its validation scans: the reference of all watching."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from django.db.models import Min

from images.models import Image, Split
from labeling.models import SnapshotMember
from models_registry.inference.predictor import REFER, Predictions, Predictor
from models_registry.inference.runtimes import BATCH
from models_registry.versions.reference import Reference
from training import planning
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.engine.device import Device
from training.engine.knowing import fit_knowing
from training.engine.material import material
from training.engine.package import Knowledge
from training.engine.pictures import in_turn
from training.engine.report import FitResult
from training.models import TrainingRun
from training.process.tiles import Part, read


def knowledge(run: TrainingRun, config: TrainConfig, learning: Part, validation: Part, fitted: FitResult) -> Knowledge:
    """Fitted on the training scans and limited on all validation scans."""
    data = TrainData(learning.tiles, learning.labels, validation.tiles, validation.labels, len(run.snapshot.classes))
    return fit_knowing(material(fitted, data, config, smallest_side(run), Device.of(planning.device()).name))


def smallest_side(run: TrainingRun) -> int:
    """The shortest side in pixels of any scan that the run learns from, as it came in."""
    learned = SnapshotMember.objects.filter(snapshot=run.snapshot, split=Split.TRAIN)
    sides = learned.aggregate(width=Min("image__width"), height=Min("image__height"))
    return int(min(sides["width"] or 0, sides["height"] or 0))


def reference(predictor: Predictor, validation: Part) -> Reference:
    """What the version says of each validation scan when it serves; nothing of what is known besides pixels."""
    ids = [entry.id for entry in predictor.manifest.classes]
    said: dict[str, list[Any]] = {name: [] for name in ("prediction", "confidence", "distance", "spread", "referred")}
    for part in _answers(predictor, validation):
        said["prediction"] += [ids[index] for index in part.classes.tolist()]
        said["confidence"] += np.round(part.confidences, 6).tolist()
        said["distance"] += [] if part.resemblance is None else np.round(part.resemblance.distances, 6).tolist()
        said["spread"] += [] if part.spread is None else np.round(part.spread, 6).tolist()
        said["referred"] += [predictor.decide(part, index).decision == REFER for index in range(len(part.logits))]
    return Reference(**{name: tuple(values) for name, values in said.items()})


def _answers(predictor: Predictor, validation: Part) -> Iterator[Predictions]:
    """Part by part, in whole batches: that changes no number."""
    start = 0
    for pixels in in_turn(validation.tiles, BATCH):
        if not predictor.needs_views:
            yield predictor.predict(pixels)
        else:
            keys = validation.images[start : start + len(pixels)]
            scans = Image.objects.select_related("blob").in_bulk(keys)
            yield predictor.predict(np.stack([read(scans[key]) for key in keys]), pixels)
        start += len(pixels)
