"""Pixel data without a codec: the values of frames, one after the other, in little-endian order (PS3.5 8.1, annex A.2)."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import DataElement, Dataset

_REAL: Final = {4: ("FloatPixelData", "OF"), 8: ("DoubleFloatPixelData", "OD")}


def put(dataset: Dataset, frames: Sequence[NDArray[Any]]) -> None:
    """Replace the pixels of a data set by `frames`, as `stored.frame` gives them, and say in its header how they are written."""
    kind = frames[0].dtype
    content = b"".join(np.ascontiguousarray(values, kind.newbyteorder("<")).tobytes() for values in frames)
    keyword, vr = _REAL[kind.itemsize] if kind.kind == "f" else ("PixelData", "OB" if kind.itemsize == 1 else "OW")
    dataset.add(DataElement(keyword, vr, content + bytes(len(content) % 2)))
    dataset.BitsAllocated = 8 * kind.itemsize
    dataset.BitsStored = min(dataset.BitsStored, dataset.BitsAllocated)
    dataset.HighBit = dataset.BitsStored - 1
    if frames[0].ndim == 3:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
