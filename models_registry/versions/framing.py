"""What a version says of a scan of several frames: one answer, from the frames that are looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from images.models import Image
from models_registry.versions import reading

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictions, Predictor


@dataclass(frozen=True)
class Framed:
    """`said`: of the whole scan. `used`: the frames that it is the mean of; `unread`: those on which nothing could be read.
    `worst`: the frame that by itself speaks most clearly for the answer, which pages show."""

    said: "Predictions"
    used: tuple[int, ...]
    unread: tuple[int, ...]
    worst: int

    def columns(self) -> dict[str, Any]:
        """Of a grade."""
        return {"frames": list(self.used), "frames_unread": list(self.unread), "worst_frame": self.worst}


def answer(predictor: "Predictor", image: Image, frames: Sequence[int], read: reading.Read = reading.one) -> Framed:
    """From at least one frame, numbered from 1; what the networks see of all is in memory together. Raises what `read` raises."""
    from models_registry.inference.frames import of_scan

    given = [read(predictor, image, frame) for frame in frames]
    one = of_scan(predictor, predictor.predict(*reading.stacked(given)))
    used = tuple(frames[position] for position in one.used)
    unread = tuple(frame for frame in frames if frame not in used)
    return Framed(one.said, used, unread, frames[one.strongest])
