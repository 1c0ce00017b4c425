"""The frames of a multi-frame DICOM file as files of their own.

They still name their patient: each goes through decoding and de-identification like any file that comes in. The same
file always gives the same bytes.
"""

import hashlib
import io
from contextlib import suppress
from copy import copy
from typing import Final

from pydicom import Dataset, FileDataset, dcmwrite, uid
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import FileMetaDataset

from images.decoding.dicom import groups, native, pixels, reading, slides, stored
from images.decoding.job import Job
from images.decoding.parts import Parts

_LEFT_OUT: Final = frozenset((
    *groups.SEQUENCES, "PixelData", "FloatPixelData", "DoubleFloatPixelData", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths", "NumberOfFrames", "FrameIncrementPointer", "DimensionIndexSequence",
    "DimensionOrganizationSequence", "FrameTime", "FrameTimeVector",
    "RepresentativeFrameNumber",
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
    # The tiles of a slide are no pictures of their own.
    parts = Parts(1 if slides.is_slide(dataset) else facts.frames, job.max_frames)
    if parts.count == 1:
        return parts
    header = _header(dataset)
    origin = str(dataset.get("SOPInstanceUID") or hashlib.sha256(data).hexdigest())
    for index in range(first, facts.frames):
        parts.add(_file(header, dataset, index, origin))
        if parts.is_full:
            break
    return parts


def _header(dataset: FileDataset) -> Dataset:
    """What all frames say. An element whose value cannot be read is left out: it could not be written either."""
    header = Dataset()
    for tag in list(dataset.keys()):
        if keyword_for_tag(tag) not in _LEFT_OUT:
            with suppress(Exception):  # whatever the value does to its parser
                header.add(copy(dataset[tag]))
    if dataset.file_meta.TransferSyntaxUID == uid.ExplicitVRBigEndian:
        header.walk(pixels.to_little)
    return header


def _file(header: Dataset, source: FileDataset, index: int, origin: str) -> bytes:
    # Elements of its own: what is set for this frame must not be said of the next.
    part = Dataset({tag: copy(header[tag]) for tag in header.keys()})  # noqa: SIM118 - its iterator gives elements
    groups.flatten(source, part, index)
    number = int.from_bytes(hashlib.sha256(f"{origin}/{index + 1}".encode()).digest()[:16], "big")
    part.SOPInstanceUID, part.InstanceNumber = f"2.25.{number}", index + 1
    part.SOPClassUID = _SINGLE.get(part.get("SOPClassUID"), part.get("SOPClassUID") or uid.SecondaryCaptureImageStorage)
    reading.check_frame(source, index)
    native.put(part, [stored.frame(source, index)])
    part.file_meta = FileMetaDataset()
    part.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    buffer = io.BytesIO()
    dcmwrite(buffer, part, enforce_file_format=True)
    return buffer.getvalue()
