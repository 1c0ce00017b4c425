"""What the header of a file says, before its pixels are touched, and the notes gathered on the way."""

from dataclasses import dataclass, field

from images.decoding.own import Own


@dataclass
class Facts:
    """mode: Pillow's mode, or the photometric interpretation of a DICOM file. bits: 8, or 16 for anything deeper.
    shown: the frame that is taken, from 0. own: there the loader leaves grey deeper than 8 bits, where it is asked for."""

    format: str
    mode: str
    size: tuple[int, int]
    bits: int
    frames: int
    shown: int = 0
    orientation: int = 1
    white_is_zero: bool = False
    notes: list[str] = field(default_factory=list)
    own: Own | None = None
