"""What the header of a file says, before its pixels are touched, and the notes gathered on the way."""

from dataclasses import dataclass, field
from typing import Any

from images.decoding.job import Job
from images.decoding.own import Own
from images.decoding.whole import Whole


@dataclass
class Facts:
    """mode: Pillow's mode, or the photometric interpretation of a DICOM file. bits: 8, or 16 for anything deeper.
    shown: the frame that is taken, from 0. named: the one that the file names to stand for all, from 1; 0: it names none.
    own: there the loader leaves grey deeper than 8 bits, where it is asked for. told: what else a viewer should know. is_whole: the
    picture stays at full size."""

    format: str
    mode: str
    size: tuple[int, int]
    bits: int
    frames: int
    shown: int = 0
    named: int = 0
    orientation: int = 1
    white_is_zero: bool = False
    notes: list[str] = field(default_factory=list)
    own: Own | Whole | None = None
    told: dict[str, Any] = field(default_factory=dict)
    is_whole: bool = False

    def wanted(self, job: Job) -> None:
        """Make room for what the job asks for besides the picture."""
        self.is_whole = job.pixels
        self.own = Whole() if job.pixels else Own() if job.learning else None
