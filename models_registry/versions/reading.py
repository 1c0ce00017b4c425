"""From scans to what a version is fed of them: the only door. A tile of each, for the rules, and for a version that sees more what
it sees, made of the scan's view for learning."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from django.db.models import prefetch_related_objects

from images import learning
from images.models import Image
from images.renditions import stored_tiles, tile

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictor

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Input:
    """`tile`: uint8 (256, 256). `pixels`: what the networks see of the scan where that is more, (S, S) or (S, S, C). `width` and
    `height`: the shape of the scan as it is seen."""

    tile: Pixels
    pixels: Pixels | None
    width: int
    height: int

    @property
    def seen(self) -> Pixels:
        """What the networks see, or what they are made to see by shrinking."""
        return self.tile if self.pixels is None else self.pixels


def fetch(predictors: "Iterable[Predictor]", images: Sequence[Image]) -> None:
    """Where the derivatives lie that these need of the scans, with one query for each kind."""
    wanted = [stored_tiles("")]
    if any(predictor.needs_views for predictor in predictors):
        wanted.append(learning.stored_views(""))
    prefetch_related_objects(list(images), *wanted)


def one(predictor: "Predictor", image: Image) -> Input:
    """Of one scan. A derivative that is not there is made. Raises what `tile` and `learning.view` raise."""
    small = tile(image)
    if not predictor.needs_views:
        return Input(small, None, image.width, image.height)
    view = learning.view(image)
    height, width = view.pixels.shape[:2]
    return Input(small, predictor.manifest.preprocess.pixels([view])[0], width, height)


def inputs(predictor: "Predictor", images: Sequence[Image]) -> list[Input | Exception]:
    """Of each scan, or why there is none; one view is in memory at a time."""
    fetch([predictor], images)
    return [_tried(predictor, image) for image in images]


def _tried(predictor: "Predictor", image: Image) -> Input | Exception:
    try:
        return one(predictor, image)
    except Exception as error:
        return error


def stacked(given: Sequence[Input]) -> tuple[Pixels, Pixels | None]:
    """As `Predictor.predict` takes them, of at least one scan."""
    pixels = [each.pixels for each in given if each.pixels is not None]
    return np.stack([each.tile for each in given]), np.stack(pixels) if pixels else None
