"""What a version says of a scan of several frames: one answer, from the frames that are looked at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from images import learning
from images.models import Image
from images.renditions import tile

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictions, Predictor

Pixels = npt.NDArray[np.uint8]
Read = Callable[[Image, int], Pixels]


@dataclass(frozen=True)
class Framed:
    """`said`: of the whole scan. `used`: the frames that it is the mean of; `unread`: those on which nothing could be read.
    `worst`: the frame that by itself speaks most clearly for the answer, which pages show."""

    said: "Predictions"
    used: tuple[int, ...]
    unread: tuple[int, ...]
    worst: int

    def columns(self) -> dict[str, object]:
        """Of a grade."""
        return {"frames": list(self.used), "frames_unread": list(self.unread), "worst_frame": self.worst}


def answer(predictor: "Predictor", image: Image, frames: Sequence[int], read: Read = tile) -> Framed:
    """From at least one frame, numbered from 1; all are in memory together. Raises what `read` and `learning.view` raise."""
    from models_registry.inference.frames import of_scan

    tiles = np.stack([read(image, frame) for frame in frames])
    one = of_scan(predictor, predictor.predict(tiles, _views(predictor, image, frames)))
    used = tuple(frames[position] for position in one.used)
    unread = tuple(frame for frame in frames if frame not in used)
    return Framed(one.said, used, unread, frames[one.strongest])


def _views(predictor: "Predictor", image: Image, frames: Sequence[int]) -> Pixels | None:
    """What the networks see of the frames where that is more than their tiles; one view is in memory at a time."""
    if not predictor.needs_views:
        return None
    preprocess = predictor.manifest.preprocess
    return np.concatenate([preprocess.pixels([learning.view(image, frame)]) for frame in frames])
