"""What a file is, told by its first bytes and never by its name."""

from typing import BinaryIO, Final, Literal

Format = Literal["JPEG", "PNG", "TIFF", "DICOM", "ZIP"]

SNIFF_BYTES: Final = 132  # DICOM has its mark behind a preamble of 128 bytes

CONTENT_TYPES: Final[dict[str, str]] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "TIFF": "image/tiff",
    "DICOM": "application/dicom",
    "ZIP": "application/zip",
}

DECODABLE: Final = ("JPEG", "PNG", "TIFF", "DICOM")
SPLITTABLE: Final = ("TIFF", "DICOM")

# An archive; one without members; one in several volumes.
ZIP_MARKS: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")

_MAGIC: Final[tuple[tuple[bytes, Format], ...]] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # BigTIFF
    (b"MM\x00+", "TIFF"),
    *((mark, "ZIP") for mark in ZIP_MARKS),
)


def sniff(head: bytes) -> Format | None:
    """Name the format of a file from its first bytes (SNIFF_BYTES of them are enough), or None.

    DICOM goes first: its preamble may be anything, also the start of a TIFF file (PS3.10 section 7.1).
    """
    if head[128:132] == b"DICM":
        return "DICOM"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def is_zip(file: BinaryIO) -> bool:
    """Told by the first bytes, whatever the name says; the file is at its start again."""
    mark = file.read(4)
    file.seek(0)
    return mark in ZIP_MARKS
