"""Why a file could not be read, in the words of DETAILS."""

from PIL import Image, UnidentifiedImageError

from images.decoding import formats, tiffs
from images.decoding.errors import Undecodable


def explain(error: Exception, data: bytes, fmt: str) -> Undecodable:
    """The error a doctor gets for what Pillow raised; nothing of Pillow's own text is passed on."""
    if fmt == "TIFF" and isinstance(error, UnidentifiedImageError) and (known := tiffs.refusal(data)):
        return known
    text = str(error).lower()
    if isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
        return Undecodable("too_large")
    if isinstance(error, ValueError) and ("too large" in text or "too much memory" in text):
        return Undecodable(
            "too_large",
            "The file carries a text block that grows to an extreme size when it is unpacked. "
            "Export the scan again without comments and upload that file.",
        )
    if "truncated" in text or "less than expected" in text or _ends_early(data, fmt):
        return Undecodable("truncated")
    return Undecodable("corrupt")


def _ends_early(data: bytes, fmt: str) -> bool:
    # The structure of a DICOM file was checked to be whole before anything else read it.
    return fmt in formats.PICTURES and formats.picture(fmt).ends_early(data)
