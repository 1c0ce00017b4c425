"""Picture files without anything but their picture, one function for each format. Pure."""

from images.plain.errors import NotPlain
from images.plain.files import jpeg, png, tiff

__all__ = ["NotPlain", "jpeg", "png", "tiff"]
