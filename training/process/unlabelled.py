"""The scans without a label that a run learns to see from, before it learns the classes."""

import logging
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from images.models import Image
from labeling.datasets import apart
from models_registry.inference.preprocess import Pixels
from training.engine.config import TrainConfig
from training.engine.group import ALONE, Group
from training.memory import budget
from training.models import TrainingRun
from training.process import shared, tiles

log = logging.getLogger(__name__)


def load(run: TrainingRun, config: TrainConfig, done: Callable[[int, int], None], processes: Group = ALONE) -> Pixels:
    """As the run's look shows them, in the order of their keys: as many as may stay in memory beside the others. One that cannot be
    read has no part in it. `done` is called with the number read so far, and how many there are. The first process of a host reads
    them for all of its `processes`."""
    look, size = config.look, config.image_size
    # With folds no scan may be of a patient whom some fold holds out.
    found = apart.unlabelled(run.snapshot, before=run.created_at, strictly=bool(config.folds))
    keys = list(islice(found, budget() // int(np.prod(look.shape_of(1, size)))))
    pixels = shared.array(processes, "unlabelled", look.shape_of(len(keys), size))
    count = 0
    for number, image in enumerate(_scans(keys if processes.local_rank == 0 else []), start=1):
        try:
            pixels[count] = tiles.pixels_of(image, look, size)
            count += 1
        except tiles.TileUnusable as error:
            log.warning("Not learned from: %s", error)
        done(number, len(keys))
    return pixels[: processes.told(lambda: count)]


def _scans(keys: list[int]) -> Iterator[Image]:
    for start in range(0, len(keys), tiles.CHUNK):
        some = keys[start : start + tiles.CHUNK]
        scans = Image.objects.select_related("blob").in_bulk(some)
        yield from (scans[key] for key in some if key in scans)
