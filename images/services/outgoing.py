"""A scan as it leaves the site: every pixel, nothing else of its file."""

from dataclasses import dataclass
from typing import Final

from images import renditions
from images.models import Image, RenditionKind
from images.plain import NotPlain, plain
from mediscan_site.core.errors import NotFound
from mediscan_site.core.storage import blobs

SUFFIXES: Final = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "DICOM": "dcm"}
# What the decoder notes of a picture that it turned: without its EXIF it would lie on its side.
TURNED: Final = "turned upright"


@dataclass(frozen=True)
class Outgoing:
    """The bytes and the ending of their name. `remade`: the 8-bit picture that pages show stands for the file."""

    data: bytes
    suffix: str
    remade: bool


def outgoing(image: Image, *, remake: bool = False) -> Outgoing:
    """The file without metadata; DICOM as it is stored, de-identified. For workers: not audited.

    Where the picture cannot be taken out of its file as it is (EXIF turns it, an outdated TIFF), and with `remake` always,
    it is the rendition: PNG, 8 bit, longest side at most 2,048. NotFound for an erased scan, DamagedObject for a damaged one."""
    if image.blob is None:
        raise NotFound("This scan was erased.")
    if not remake and image.image_format == "DICOM":
        return Outgoing(blobs.read(image.blob), SUFFIXES["DICOM"], remade=False)
    if not remake and not any(TURNED in note for note in image.notes):
        try:
            return Outgoing(plain(blobs.read(image.blob)), SUFFIXES[image.image_format], remade=False)
        except NotPlain:
            return _remade(image)
    return _remade(image)


def _remade(image: Image) -> Outgoing:
    return Outgoing(blobs.read(renditions.ensure(image, RenditionKind.VIEW)), "png", remade=True)
