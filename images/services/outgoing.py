"""A scan as it leaves the site: every pixel, nothing else of its file."""

from dataclasses import dataclass
from typing import Final

from images import renditions
from images.decoding import formats
from images.models import Image, RenditionKind
from images.plain import NotPlain
from mediscan_site.core.errors import NotFound
from mediscan_site.core.storage import blobs

# What the decoder notes of a picture that it turned: without its EXIF it would lie on its side.
TURNED: Final = "turned upright"


@dataclass(frozen=True)
class Outgoing:
    """The bytes and their file extension. `remade`: the 8-bit picture that pages show replaces the file."""

    data: bytes
    suffix: str
    remade: bool


def outgoing(image: Image, *, remake: bool = False) -> Outgoing:
    """The file without metadata; DICOM as it is stored, de-identified. For workers: not audited.

    Where the picture cannot be taken out of its file as it is (EXIF turns it, an outdated TIFF), and with `remake` always,
    it is the rendition: PNG, 8 bit, longest side at most 2,048. NotFound for an erased scan, DamagedObject for a damaged one."""
    if image.blob is None:
        raise NotFound("This scan was erased.")
    suffix = formats.FORMATS[image.image_format].suffixes[0].removeprefix(".")
    if not remake and image.image_format == "DICOM":
        return Outgoing(blobs.read(image.blob), suffix, remade=False)
    if remake or any(TURNED in note for note in image.notes):
        return _remade(image)
    clean = formats.picture(image.image_format).clean
    try:
        return Outgoing(clean(blobs.read(image.blob)), suffix, remade=False)
    except NotPlain:
        return _remade(image)


def _remade(image: Image) -> Outgoing:
    return Outgoing(blobs.read(renditions.ensure(image, RenditionKind.VIEW)), "png", remade=True)
