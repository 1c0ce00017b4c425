"""What a run's version knows of its own limits, and what it says of scans that it has not learned from: the reference of all
watching."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import chain

import numpy as np
from django.db.models import Min

from images.models import Image, Split
from labeling.models import SnapshotMember
from models_registry.inference.frames import of_scan
from models_registry.inference.predictor import REFER, Predictions, Predictor
from models_registry.inference.preprocess import Tiles
from models_registry.inference.runtimes import BATCH
from models_registry.versions.reference import Reference
from training import planning
from training.engine.config import TrainConfig
from training.engine.data import Labels
from training.engine.device import Device
from training.engine.framing import firsts
from training.engine.knowing import fit_knowing
from training.engine.material import material
from training.engine.package import Knowledge
from training.engine.pictures import in_turn
from training.engine.report import FitResult
from training.models import TrainingRun
from training.process.sides import Sides
from training.process.tiles import Part, TileUnusable, read

log = logging.getLogger(__name__)


def knowledge(run: TrainingRun, config: TrainConfig, sides: Sides, fitted: FitResult) -> Knowledge:
    """Fitted on the training scans and limited on all validation scans, on one frame of each."""
    data = sides.sample(len(run.snapshot.classes))
    return fit_knowing(material(fitted, data, config, smallest_side(run), Device.of(planning.device()).name))


def smallest_side(run: TrainingRun) -> int:
    """The shortest side in pixels of any scan that the run learns from, as it came in."""
    learned = SnapshotMember.objects.filter(snapshot=run.snapshot, split=Split.TRAIN)
    sides = learned.aggregate(width=Min("image__width"), height=Min("image__height"))
    return int(min(sides["width"] or 0, sides["height"] or 0))


def reference(predictor: Predictor, validation: Part, said_of_test: Sequence[Predictions] = ()) -> Reference:
    """What the version says of each validation and each test scan when it serves; nothing of what is known besides pixels. No
    network learned from either, and the more there are, the sooner the watching notices another place."""
    return _joined([_said(predictor, one) for one in chain(_answers(predictor, validation), said_of_test)])


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


def _answers(predictor: Predictor, validation: Part) -> Iterator[Predictions]:
    """Part by part, in whole batches: that changes no number. Of scans of several frames one by one, as they are served."""
    if validation.scans is not None:
        for position in np.split(np.arange(len(validation.labels)), firsts(validation.scans)[1:]):
            if (said := _of_frames(predictor, validation, position)) is not None:
                yield said
        return
    start = 0
    for pixels in in_turn(validation.tiles, BATCH):
        if not predictor.needs_views:
            yield predictor.predict(pixels)
        else:
            at = np.arange(start, start + len(pixels))
            readable, tiles = _tiles(validation, at)
            if len(readable):
                yield predictor.predict(tiles, pixels[readable - start])
        start += len(pixels)


def _of_frames(predictor: Predictor, validation: Part, at: Labels) -> Predictions | None:
    """`at`: the pictures of one scan. None where it can no longer be read."""
    pixels = validation.tiles[at]
    if not predictor.needs_views:
        return of_scan(predictor, predictor.predict(pixels)).said
    readable, tiles = _tiles(validation, at)
    if len(readable) < len(at):
        return None
    return of_scan(predictor, predictor.predict(tiles, pixels)).said


def _tiles(validation: Part, at: Labels) -> tuple[Labels, Tiles]:
    """Of the pictures at these places, those that can still be read, and their tiles: a scan that was erased while the run went on
    has no part in the reference."""
    keys = {validation.images[position] for position in at}
    scans = Image.objects.select_related("blob").filter(erased_at__isnull=True).in_bulk(keys)
    found, tiles = [], []
    for position in at:
        image = scans.get(validation.images[position])
        try:
            tiles.append(read(image, validation.frame_of(position)) if image else None)
        except TileUnusable as error:
            log.warning("Not in the reference: %s", error)
            tiles.append(None)
        if tiles[-1] is not None:
            found.append(position)
    shown = [one for one in tiles if one is not None]
    return np.array(found, dtype=np.int64), np.stack(shown) if shown else np.zeros((0, 1, 1), np.uint8)
