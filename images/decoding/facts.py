"""What the header of a file says, before its pixels are touched, and the notes gathered on the way."""

from dataclasses import dataclass, field


@dataclass
class Facts:
    """mode: Pillow's mode, or the photometric interpretation of a DICOM file. bits: 8, or 16 for anything deeper.
    shown: the frame that stands for all, from 0. named: the same from 1 where the file names it, else 0."""

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
