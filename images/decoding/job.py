"""What the pool asks a child to do with one file. It goes over the pipe as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from images.decoding.deid.options import DeidOptions


@dataclass(frozen=True, slots=True)
class Job:
    """`deid`: the de-identification of a DICOM file (DeidOptions, the secret in hex); None for a file of our own.

    only_identity: say whose picture a DICOM file is and which one, and look at nothing else. split_from: give the frames or
    pages from this one on (0 is the first) as files of their own, of at most max_frames. frame: show this frame or page, from 1;
    0 is the one that stands for all. learning: with the view for learning. pixels: what a viewer shows at full size, alone."""

    format: str
    max_pixels: int
    max_bytes: int
    timeout_s: float
    rendition: bool = True
    learning: bool = False
    pixels: bool = False
    deid: Mapping[str, Any] | None = None
    only_identity: bool = False
    split_from: int | None = None
    max_frames: int = 0
    frame: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def deid_as_json(options: "DeidOptions | None") -> dict[str, Any] | None:
    """The options in a form that goes over the pipe."""
    if options is None:
        return None
    return asdict(options) | {"secret": options.secret.hex()}
