"""What a decoded file gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from images.decoding.formats import CONTENT_TYPES

# The side in pixels of what models are fed; the pure packages of the registry know it as `inference.names.TILE_SIDE`.
TILE_SIDE: Final = 256
# The longest side in pixels of the view for learning; there it is `inference.names.VIEW_SIDE`.
VIEW_SIDE: Final = 1024


@dataclass(frozen=True, slots=True)
class Decoded:
    """The facts and derivatives of one image file.

    width, height: pixels at full size, upright (after `orientation` has been applied).
    mode: Pillow's mode of the file ('L', 'I;16', 'RGB', 'CMYK', 'P', ...), or the photometric interpretation of a
    DICOM file; bits: 8, or 16 for anything deeper.
    orientation: the EXIF orientation that was applied, 1 to 8 (1: none was needed).
    notes: sentences for the reader about what was changed or left out.
    thumbnail: JPEG, longest side at most 256. rendition: PNG, grey or RGB, 8 bit, longest side at most 2048.
    Neither carries metadata. tile: 65,536 bytes, uint8 grey, 256 rows of 256, squashed to the square.
    learning: the view for learning (`images.learning`), where it was asked for.
    named_frame: of a file of several frames the one that it names to stand for all, from 1; 0 where it names none.
    phash: 64 hex digits, the 256-bit perceptual hash of the grey picture.

    Only for a DICOM file that was de-identified:
    stored: the de-identified file, which is what may be kept; other formats are kept as they came.
    tags: what the file says about its scan, by the names of ScanFacts, before de-identification: the raw patient id and
    `capture_date` as an ISO 8601 date or moment; pixel_spacing in millimetres, age in years; '' or None where it
    says nothing. actions: what happened to each element that was touched (tag, keyword, action), never a value.
    profile: the name of the profile.
    shift_days: by how many days the dates in `stored` were moved; None where they were removed.

    Of any format: hold: why a person should look first ('burned_in_annotation' or 'text_like_border'), or ''.
    """

    format: str
    width: int
    height: int
    mode: str
    bits: int
    frames: int
    orientation: int
    notes: tuple[str, ...]
    rendition_width: int
    rendition_height: int
    phash: str
    thumbnail: bytes
    rendition: bytes
    tile: bytes
    learning: bytes = b""
    named_frame: int = 0
    stored: bytes = b""
    tags: Mapping[str, str | float | None] = field(default_factory=dict)
    actions: tuple[dict[str, str], ...] = ()
    profile: str = ""
    hold: str = ""
    shift_days: int | None = None

    @property
    def content_type(self) -> str:
        """The media type of the original file."""
        return CONTENT_TYPES[self.format]
