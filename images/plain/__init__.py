"""Picture files without anything but their picture. Pure."""

from images.plain.errors import NotPlain
from images.plain.files import plain

__all__ = ["NotPlain", "plain"]
