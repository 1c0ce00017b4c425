"""The stored values of one frame, whatever its transfer syntax: single channel, or RGB.

pydicom reads them; what is decided here is what its header gets wrong in real files: which bits hold the value, how deep
a JPEG really is, and which colours it has.
"""

from copy import copy
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import convert_color_space
from pydicom.pixels.utils import pixel_array

from images.decoding.dicom import codestream, rle
from images.decoding.errors import Undecodable

JPEG: Final = (
    uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1,
)  # fmt: skip
# Retired in 2004, and still what some tools write. The decoder of the others reads them too.
PROGRESSIVE: Final = (uid.UID("1.2.840.10008.1.2.4.53"), uid.UID("1.2.840.10008.1.2.4.55"))
JPEG_LS: Final = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
JPEG_2000: Final = (
    uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K,
)  # fmt: skip
JPEG_FAMILY: Final = (*JPEG, *PROGRESSIVE, *JPEG_LS, *JPEG_2000)
RGB: Final = codestream.RGB
YBR: Final = codestream.YBR
_OTHER_COLOURS: Final = (
    "The header says that the colours are written as {}, but the picture in the file has {}; it is shown as that."
)

Values = NDArray[Any]

_FROM_PARTIAL: Final = np.array([[1.1644, 1.1644, 1.1644], [0.0, -0.3917, 2.0173], [1.5960, -0.8129, 0.0]])


def frame(dataset: Dataset, index: int, notes: list[str] | None = None) -> Values:
    """The stored values of a frame in the machine's byte order: rows by columns, by 3 where it has colour (as RGB).

    The value alone: shifted to its place and with its sign, whatever stands in the other bits (PS3.5 8.1.1).
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == uid.RLELossless:
        return _from_rle(dataset, index)
    if syntax in JPEG_FAMILY:
        return _from_codestream(dataset, index, [] if notes is None else notes)
    if dataset.BitsAllocated == 1:
        return _single_bits(dataset, index)
    if dataset.PhotometricInterpretation == "YBR_PARTIAL_422":
        return _partial(pixel_array(dataset, index=index, raw=True, photometric_interpretation="YBR_FULL_422"))
    values = pixel_array(dataset, index=index, correct_unused_bits=False)
    return used_bits(values.astype(values.dtype.newbyteorder("="), copy=False), dataset)


def high_bit(dataset: Dataset, allocated: int) -> int:
    """Where the highest bit of a value is: HighBit of the file, which is BitsStored - 1 in all newer ones."""
    bits, high = int(dataset.BitsStored), int(dataset.get("HighBit") or 0)
    return high if bits <= high + 1 <= allocated else bits - 1


def coded(dataset: Dataset, index: int) -> bytes:
    """The codestream of a frame."""
    return get_frame(dataset.PixelData, index, number_of_frames=int(dataset.get("NumberOfFrames") or 1))


def _single_bits(dataset: Dataset, index: int) -> Values:
    """A frame of bits, which need not begin with a byte (PS3.5 8.1.1): pydicom 3.0.2 does not find those."""
    count = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel)
    packed = np.frombuffer(dataset.PixelData, np.uint8)
    if dataset.file_meta.TransferSyntaxUID == uid.ExplicitVRBigEndian and dataset["PixelData"].VR == "OW":
        packed = packed[: len(packed) // 2 * 2].view(">u2").astype("<u2").view(np.uint8)
    start = index * count
    bits = np.unpackbits(packed[start // 8 : -(-(start + count) // 8)], bitorder="little")[start % 8 :][:count]
    if len(bits) < count or dataset.SamplesPerPixel != 1:
        raise Undecodable("truncated" if dataset.SamplesPerPixel == 1 else "corrupt")
    return bits.reshape(dataset.Rows, dataset.Columns)


def _partial(values: Values) -> Values:
    """YBR_PARTIAL_422, retired, to RGB: black is 16, white 235, colours 16 to 240 (PS3.3 C.7.6.3.1.2, 2017c)."""
    rgb = (values - np.array([16.0, 128.0, 128.0])) @ _FROM_PARTIAL
    eight: Values = np.rint(np.clip(rgb, 0, 255)).astype(np.uint8)
    return eight


def _from_rle(dataset: Dataset, index: int) -> Values:
    values = used_bits(unrolled(dataset, index), dataset)
    if dataset.PhotometricInterpretation == "YBR_FULL":
        return convert_color_space(values, "YBR_FULL", "RGB")
    return values


def unrolled(dataset: Dataset, index: int) -> Values:
    """The words of an RLE frame, all of their bits."""
    width, odd = divmod(int(dataset.BitsAllocated), 8)
    if odd or width not in (1, 2, 4):
        raise Undecodable("corrupt")
    values = rle.decode(coded(dataset, index), dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, width)
    return values.view(f"i{width}") if dataset.PixelRepresentation else values


def _from_codestream(dataset: Dataset, index: int, notes: list[str]) -> Values:
    values, stream = decoded(dataset, index)
    if dataset.SamplesPerPixel == 3 and colours(dataset, stream, notes) == YBR:
        return convert_color_space(values, "YBR_FULL", "RGB")
    return used_bits(values, dataset, high_of(dataset, stream, values))


def high_of(dataset: Dataset, stream: codestream.Head, values: Values) -> int:
    """Where the highest bit of a decoded value is: a codestream of no more bits than that has them at its lower end."""
    high = high_bit(dataset, 8 * values.dtype.itemsize)
    return high if stream.bits > high else int(dataset.BitsStored) - 1


def decoded(dataset: Dataset, index: int) -> tuple[Values, codestream.Head]:
    """What the codestream of a frame holds, in the machine's byte order, all of its bits, and what it says of itself."""
    syntax = dataset.file_meta.TransferSyntaxUID
    stream = codestream.head(coded(dataset, index))
    options: dict[str, Any] = {"correct_unused_bits": False}
    if syntax in (*JPEG, *PROGRESSIVE):
        # Their decoder gives bytes for up to 8 bits, whatever the header allocates.
        options["bits_allocated"] = 8 if stream.bits <= 8 else 16
        options["bits_stored"] = min(int(dataset.BitsStored), options["bits_allocated"])
    source = dataset
    if syntax in PROGRESSIVE:  # pydicom knows no decoder for them
        source = copy(dataset)
        source.file_meta = FileMetaDataset()
        source.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit if stream.bits <= 8 else uid.JPEGExtended12Bit
    decoder = get_decoder(source.file_meta.TransferSyntaxUID)
    values, _ = decoder.as_array(source, index=index, raw=True, decoding_plugin="pylibjpeg", **options)
    return values.astype(values.dtype.newbyteorder("="), copy=False), stream


def colours(dataset: Dataset, stream: codestream.Head, notes: list[str]) -> str:
    """What the three channels of a decoded codestream are: its own word goes before that of the header."""
    said = YBR if str(dataset.PhotometricInterpretation).startswith("YBR_FULL") else RGB
    if stream.colours and stream.colours != said:
        notes.append(_OTHER_COLOURS.format(said, stream.colours))
    return stream.colours or said


def used_bits(values: Values, dataset: Dataset, high: int | None = None) -> Values:
    """The values without the bits that are not theirs, which may hold anything, such as an overlay.

    `high`: where the highest bit of a value is, if not where the file says.
    """
    allocated, bits = 8 * values.dtype.itemsize, int(dataset.BitsStored)
    if values.dtype.kind not in "iu" or bits >= allocated:
        return values
    high = high_bit(dataset, allocated) if high is None else high
    # An arithmetic shift: the sign of signed values is kept.
    return (values << (allocated - 1 - high)) >> (allocated - bits)
