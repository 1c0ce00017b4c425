"""What a run's version knows of its own limits, and what it says of scans that it has not learned from: the reference of all
watching."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import chain

import numpy as np
from django.db.models import Min

from images.models import Split
from labeling.models import SnapshotMember
from models_registry.inference.predictor import REFER, Predictions, Predictor
from models_registry.inference.preprocess import Pixels, Tiles
from models_registry.versions.reference import Reference
from training import planning
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.engine.device import Device
from training.engine.knowing import fit_knowing
from training.engine.material import material
from training.engine.package import Knowledge
from training.engine.report import FitResult
from training.models import TrainingRun
from training.process.tiles import Part


def knowledge(run: TrainingRun, config: TrainConfig, learning: Part, validation: Part, fitted: FitResult) -> Knowledge:
    """Fitted on the training scans and limited on all validation scans."""
    data = TrainData(learning.tiles, learning.labels, validation.tiles, validation.labels, len(run.snapshot.classes))
    return fit_knowing(material(fitted, data, config, smallest_side(run), Device.of(planning.device()).name))


def smallest_side(run: TrainingRun) -> int:
    """The shortest side in pixels of any scan that the run learns from, as it came in."""
    learned = SnapshotMember.objects.filter(snapshot=run.snapshot, split=Split.TRAIN)
    sides = learned.aggregate(width=Min("image__width"), height=Min("image__height"))
    return int(min(sides["width"] or 0, sides["height"] or 0))


class Remembering(Predictor):
    """The predictor, keeping what it says: the one reading of the test split serves the watching too."""

    def __init__(self, predictor: Predictor) -> None:
        self.__dict__.update(predictor.__dict__)
        self.said: list[Predictions] = []

    def predict(self, tiles: Tiles, pixels: Pixels | None = None) -> Predictions:
        found = super().predict(tiles, pixels)
        self.said.append(found)
        return found


def reference(predictor: Predictor, validation: Part, said_of_test: Sequence[Predictions] = ()) -> Reference:
    """What the version says of each validation and each test scan when it serves; nothing of what is known besides pixels. No
    network learned from either, and the more there are, the sooner the watching notices another place."""
    return _joined([_said(predictor, one) for one in (predictor.predict(validation.tiles), *said_of_test)])


def _joined(parts: Sequence[Reference]) -> Reference:
    names = [field.name for field in fields(Reference)]
    return Reference(**{name: tuple(chain.from_iterable(getattr(part, name) for part in parts)) for name in names})


def _said(predictor: Predictor, said: Predictions) -> Reference:
    ids = [entry.id for entry in predictor.manifest.classes]
    distance = () if said.resemblance is None else said.resemblance.distances
    spread = () if said.spread is None else said.spread
    decisions = [predictor.decide(said, index).decision for index in range(len(said.logits))]
    return Reference(
        prediction=tuple(ids[index] for index in said.classes.tolist()),
        confidence=tuple(np.round(said.confidences, 6).tolist()),
        distance=tuple(np.round(distance, 6).tolist()),
        spread=tuple(np.round(spread, 6).tolist()),
        referred=tuple(decision == REFER for decision in decisions),
    )
