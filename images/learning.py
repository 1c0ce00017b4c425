"""Views for learning: what networks learn from and are asked about where the tile does not show enough.

A view has the scan's own shape, its colours or its 16 bits, and at most VIEW_SIDE pixels on the longer side. It is stored
encrypted like every derivative, and made from the original at first need.
"""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from images.decoding.viewing import unpacked
from images.models import Image, RenditionKind
from images.renditions import ensure
from mediscan_site.core.storage import blobs


@dataclass(frozen=True)
class LearningView:
    """`pixels`: grey uint8 or uint16 (H, W), or colour uint8 (H, W, 3). `slope`, `intercept`: a pixel p of 16 bits stands for
    p * slope + intercept in the scan's own values (Hounsfield units of a CT). `window`: low and high in these values, between
    which the grey levels of the scan lie when pages show it."""

    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] = (0.0, 255.0)

    @classmethod
    def from_bytes(cls, data: bytes) -> "LearningView":
        facts, png = unpacked(data)
        with Pillow.open(io.BytesIO(png), formats=("PNG",)) as picture:
            pixels = np.asarray(picture)
        low, high = facts["window"]
        return cls(pixels, float(facts["slope"]), float(facts["intercept"]), (float(low), float(high)))


def view(image: Image) -> LearningView:
    """For workers: not audited. Remade when missing. NotFound for an erased scan, DamagedObject for a damaged one."""
    return LearningView.from_bytes(blobs.read(ensure(image, RenditionKind.LEARNING)))
