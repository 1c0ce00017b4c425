"""What the header of a file says, before its pixels are touched, and the notes gathered on the way."""

from dataclasses import dataclass, field


@dataclass
class Facts:
    """mode: Pillow's mode, or the photometric interpretation of a DICOM file. bits: 8, or 16 for anything deeper."""

    format: str
    mode: str
    size: tuple[int, int]
    bits: int
    frames: int
    orientation: int = 1
    white_is_zero: bool = False
    notes: list[str] = field(default_factory=list)
