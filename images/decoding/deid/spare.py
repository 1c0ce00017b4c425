"""The bits of a pixel's word that are none of its value's: old files keep overlays there, and any of them may hold anything.

BitsAllocated is the size of the word, BitsStored that of the value, HighBit where the value ends (PS3.5 8.1.1); overlays in
the rest are retired (PS3.3 C.9.2, 2004). Left alone are files in which all these bits are 0, or all continue the value's sign.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid

from images.decoding.dicom import codestream, native, reading, stored

Values = NDArray[Any]


def wipe(dataset: Dataset) -> bool:
    """Clean these bits in place, and say whether there was something. Raises Undecodable for a frame that cannot be read."""
    if dataset.file_meta.TransferSyntaxUID in reading.NATIVE:
        return _native(dataset)
    return _packed(dataset)


def _native(dataset: Dataset) -> bool:
    width, odd = divmod(int(dataset.BitsAllocated), 8)
    if odd or width not in (1, 2, 4, 8) or dataset.BitsStored >= dataset.BitsAllocated:
        return False
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    kind = np.dtype(f"{order}{'i' if dataset.PixelRepresentation else 'u'}{width}")
    data = dataset.PixelData
    values = np.frombuffer(data, kind, len(data) // width)
    own = _own(values, dataset, stored.high_bit(dataset, 8 * width))
    if own is None:
        return False
    dataset["PixelData"].value = own.astype(kind).tobytes() + bytes(len(data) % width)
    return True


def _packed(dataset: Dataset) -> bool:
    """A codec cannot leave out bits, so a file in which there are some is kept unpacked."""
    frames = range(int(dataset.get("NumberOfFrames") or 1))
    if not any(_has_more(dataset, index) for index in frames):
        return False
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        dataset.pop(keyword, None)
    native.put(dataset, [stored.frame(dataset, index) for index in frames])
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    return True


def _has_more(dataset: Dataset, index: int) -> bool:
    """Whether there is something in the other bits of a packed frame."""
    bits = int(dataset.BitsStored)
    if dataset.file_meta.TransferSyntaxUID == uid.RLELossless:
        if bits >= dataset.BitsAllocated:
            return False
        values = stored.unrolled(dataset, index)
        return _own(values, dataset, stored.high_bit(dataset, 8 * values.dtype.itemsize)) is not None
    stream = codestream.head(stored.coded(dataset, index))
    # Three channels that are no RGB are shown, and checked, with all of their bits.
    if stream.bits <= bits or (dataset.SamplesPerPixel == 3 and stored.colours(dataset, stream, []) == stored.YBR):
        return False
    reading.check_frame(dataset, index)
    values, _ = stored.decoded(dataset, index)
    return _own(values, dataset, stored.high_of(dataset, stream, values)) is not None


def _own(values: Values, dataset: Dataset, high: int) -> Values | None:
    """The words with nothing but their values, whose sign is continued; None where they are that or have zeros there."""
    allocated, bits = 8 * values.dtype.itemsize, int(dataset.BitsStored)
    if bits >= allocated:
        return None
    low = high + 1 - bits
    # An arithmetic shift keeps the sign of signed values.
    own = ((values << (allocated - 1 - high)) >> (allocated - bits)) << low
    zeros = values & np.array(((1 << bits) - 1) << low).astype(values.dtype)
    return None if np.array_equal(own, values) or np.array_equal(zeros, values) else own
