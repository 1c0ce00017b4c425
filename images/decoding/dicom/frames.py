"""The frames of a multi-frame DICOM file as files of their own.

They still name their patient: each goes through decoding and de-identification like any file that comes in. The same
file always gives the same bytes.
"""

import hashlib
import io
from contextlib import suppress
from typing import Final

from pydicom import DataElement, Dataset, FileDataset, dcmwrite, uid
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import FileMetaDataset

from images.decoding.dicom import groups, pixels, reading
from images.decoding.facts import Facts
from images.decoding.job import Job
from images.decoding.parts import Parts

_LEFT_OUT: Final = frozenset((
    *groups.SEQUENCES, "PixelData", "FloatPixelData", "DoubleFloatPixelData", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths", "NumberOfFrames", "FrameIncrementPointer", "DimensionIndexSequence",
    "DimensionOrganizationSequence", "FrameTime", "FrameTimeVector",
))  # fmt: skip
_SINGLE: Final = {
    uid.EnhancedCTImageStorage: uid.CTImageStorage,
    uid.EnhancedMRImageStorage: uid.MRImageStorage,
    uid.EnhancedXAImageStorage: uid.XRayAngiographicImageStorage,
    uid.EnhancedXRFImageStorage: uid.XRayRadiofluoroscopicImageStorage,
    uid.EnhancedPETImageStorage: uid.PositronEmissionTomographyImageStorage,
    uid.UltrasoundMultiFrameImageStorage: uid.UltrasoundImageStorage,
    uid.MultiFrameSingleBitSecondaryCaptureImageStorage: uid.SecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage: uid.SecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage: uid.SecondaryCaptureImageStorage,
    uid.MultiFrameTrueColorSecondaryCaptureImageStorage: uid.SecondaryCaptureImageStorage,
}


def split(data: bytes, job: Job, first: int) -> Parts:
    """Files of the frames from `first` on, as many as one answer takes. Raises Undecodable."""
    dataset, facts = reading.read(data, job.max_bytes, job.max_pixels)
    parts = Parts(facts.frames, job.max_frames)
    if facts.frames == 1:
        return parts
    header = _header(dataset)
    origin = str(dataset.get("SOPInstanceUID") or hashlib.sha256(data).hexdigest())
    for index in range(first, facts.frames):
        parts.add(_file(header, dataset, facts, index, origin))
        if parts.is_full:
            break
    return parts


def _header(dataset: FileDataset) -> Dataset:
    """What all frames say. An element whose value cannot be read is left out: it could not be written either."""
    header = Dataset()
    for tag in list(dataset.keys()):
        if keyword_for_tag(tag) not in _LEFT_OUT:
            with suppress(Exception):  # whatever the value does to its parser
                header.add(dataset[tag])
    if not dataset.original_encoding[1]:
        header.walk(_to_little)
    return header


def _to_little(_: Dataset, element: DataElement) -> None:
    """Words that pydicom keeps as bytes, such as the entries of a table."""
    if element.VR == "OW" and element.value:
        swapped = bytearray(len(element.value))
        swapped[::2], swapped[1::2] = element.value[1::2], element.value[::2]
        element.value = bytes(swapped)


def _file(header: Dataset, source: FileDataset, facts: Facts, index: int, origin: str) -> bytes:
    part = Dataset()
    part.update(header)
    groups.flatten(source, part, index)
    number = int.from_bytes(hashlib.sha256(f"{origin}/{index + 1}".encode()).digest()[:16], "big")
    part.SOPInstanceUID, part.InstanceNumber = f"2.25.{number}", index + 1
    part.SOPClassUID = _SINGLE.get(part.get("SOPClassUID"), part.get("SOPClassUID") or uid.SecondaryCaptureImageStorage)
    _put_pixels(part, source, facts, index)
    part.file_meta = FileMetaDataset()
    part.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    buffer = io.BytesIO()
    dcmwrite(buffer, part, enforce_file_format=True)
    return buffer.getvalue()


def _put_pixels(part: Dataset, source: FileDataset, facts: Facts, index: int) -> None:
    if source.file_meta.TransferSyntaxUID in reading.JPEG_FAMILY:
        reading.check_frame(source, facts, index)
    values = pixels.frame(source, index)
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    content = values.tobytes()
    if values.dtype.kind == "f":
        keyword, kind = ("FloatPixelData", "OF") if values.dtype.itemsize == 4 else ("DoubleFloatPixelData", "OD")
    else:
        keyword, kind = "PixelData", "OB" if values.dtype.itemsize == 1 else "OW"
    part.add(DataElement(keyword, kind, content + b"\x00" * (len(content) % 2)))
    part.BitsAllocated = 8 * values.dtype.itemsize
    if values.ndim == 3:
        part.PhotometricInterpretation, part.PlanarConfiguration = "RGB", 0
