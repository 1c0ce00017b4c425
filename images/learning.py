"""Views for learning: what networks learn from and are asked about where the tile does not show enough.

A view has the scan's own shape, its colours or its 16 bits, and at most VIEW_SIDE pixels on the longer side. It is stored
encrypted like every derivative, and made from the original at first need; at intake where a network of the project sees views.
"""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from django.db.models import Prefetch
from PIL import Image as Pillow

from images.decoding.viewing import unpacked
from images.models import Image, RenditionKind
from images.renditions import ensure, stored
from mediscan_site.core.storage import blobs


@dataclass(frozen=True)
class LearningView:
    """`pixels`: grey uint8 or uint16 (H, W), or colour uint8 (H, W, 3). `slope`, `intercept`: a pixel p of 16 bits stands for
    p * slope + intercept in the scan's own values (Hounsfield units of a CT). `window`: the values, of this kind, that are black
    and white when pages show the scan; the first one is the larger where small values are bright. `note`: why a scan of more than 8
    bits has a view of 8."""

    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] = (0.0, 255.0)
    note: str = ""

    @property
    def has_values(self) -> bool:
        """Whether the pixels are the scan's own values, of which windows are made."""
        return self.pixels.dtype == np.uint16

    @classmethod
    def from_bytes(cls, data: bytes) -> "LearningView":
        facts, png = unpacked(data)
        with Pillow.open(io.BytesIO(png), formats=("PNG",)) as picture:
            pixels = np.asarray(picture)
        black, white = facts["window"]
        window = float(black), float(white)
        return cls(pixels, float(facts["slope"]), float(facts["intercept"]), window, facts.get("note", ""))


def view(image: Image, frame: int = 0) -> LearningView:
    """Of the scan, or of one of its frames, from 1. For workers: not audited. Remade when missing. NotFound for an erased scan or
    a frame that it does not have, DamagedObject for a damaged one."""
    return LearningView.from_bytes(blobs.read(ensure(image, RenditionKind.LEARNING, frame)))


def kind(image: Image, frame: int = 0) -> tuple[bool, str]:
    """Whether the view is made of the scan's own values, and its note. Raises what `view` raises; no pixel is unpacked."""
    facts, png = unpacked(blobs.read(ensure(image, RenditionKind.LEARNING, frame)))
    with Pillow.open(io.BytesIO(png), formats=("PNG",)) as picture:
        return picture.mode.startswith("I"), facts.get("note", "")


def stored_views(prefix: str) -> "Prefetch[str]":
    """For the `prefetch_related` of rows that have an image as `prefix`: where the views of all are, with one query."""
    return stored(prefix, RenditionKind.LEARNING)
