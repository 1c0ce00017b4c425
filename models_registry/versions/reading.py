"""From scans to what a version is fed of them: the only door. A tile of each, for the rules, and for a version that sees more what
it sees, made of the scan's view for learning."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from django.db.models import prefetch_related_objects

from images import learning
from images.models import Image
from images.renditions import stored_tiles, tile
from mediscan_site.core.errors import Invalid

if TYPE_CHECKING:
    from models_registry.inference.looks import Look
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


NO_VALUES = (
    "This file has 8 bits and none of the scan's own values (Hounsfield units of a CT), of which windows are made. Bring the "
    "original DICOM file in."
)
UNUSABLE_VALUES = "Windows are made of the scan's own values."


class NoValues(Invalid):
    """A look of windows meets a view of 8 bits."""

    def __init__(self, note: str = "") -> None:
        """`note`: why a deep file has such a view."""
        super().__init__(f"{note} {UNUSABLE_VALUES}" if note else NO_VALUES)


Read = Callable[["Predictor", Image, int], Input]


def fetch(predictors: "Iterable[Predictor]", images: Sequence[Image]) -> None:
    """Where the derivatives lie that these need of the scans, with one query for each kind."""
    wanted = [stored_tiles("")]
    if any(predictor.needs_views for predictor in predictors):
        wanted.append(learning.stored_views(""))
    prefetch_related_objects(list(images), *wanted)


def one(predictor: "Predictor", image: Image, frame: int = 0) -> Input:
    """Of one scan, or of one of its frames, from 1. A derivative that is not there is made. Raises what `tile` and
    `learning.view` raise."""
    small = tile(image, frame)
    if not predictor.needs_views:
        return Input(small, None, image.width, image.height)
    view, preprocess = learning.view(image, frame), predictor.manifest.preprocess
    height, width = view.pixels.shape[:2]
    return Input(small, pixels_of(view, preprocess.look, preprocess.size), width, height)


def pixels_of(view: learning.LearningView, look: "Look", size: int) -> Pixels:
    """What this look makes of a view. NoValues where it is made of values that the view has not."""
    from models_registry.inference.looks import WINDOWS
    from models_registry.inference.seen import see

    if look.sees == WINDOWS and not view.has_values:
        raise NoValues(view.note)
    return see(view, look, size)


def require_values(image: Image, frame: int = 0) -> None:
    """NoValues where `pixels_of` would say so of windows: asks what kind of view there is, and looks at no pixel."""
    has_values, note = learning.kind(image, frame)
    if not has_values:
        raise NoValues(note)


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
