"""Every lazy import of the decoders, done before the child may no longer open a file.

One small file per format, and per codec of DICOM, is decoded; character sets and the data dictionary are looked up.
"""

import codecs
import io
from typing import Any, Final

import numpy as np
from PIL import Image
from pydicom import DataElement, Dataset, uid
from pydicom.charset import python_encoding
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate

from images.decoding.formats import PICTURES
from images.decoding.job import Job
from images.decoding.render import render

_SIDE: Final = 64
_PATTERN: Final = np.tile(np.arange(_SIDE, dtype=np.uint8), (_SIDE, 1))


def warm_up() -> None:
    """Decode the samples; any failure ends the child, which is then known not to start."""
    for name in set(python_encoding.values()):
        codecs.lookup(name)
    # numpy imports its masked arrays when a value is first looked for among others, as windows of grey values do.
    np.percentile(_PATTERN, (1, 99))
    for fmt in PICTURES:
        for mode in ("RGB", "L"):
            _decode(_encoded(fmt, mode), fmt)
    for dataset in _samples():
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        _decode(buffer.getvalue(), "DICOM", deid={"secret": "00" * 32})


def _decode(data: bytes, fmt: str, **options: Any) -> None:
    render(data, Job(fmt, max_pixels=_SIDE * _SIDE, max_bytes=len(data), timeout_s=60.0, learning=True, **options))


def _encoded(fmt: str, mode: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_PATTERN).convert(mode).save(buffer, fmt)
    return buffer.getvalue()


def _samples() -> list[Dataset]:
    plain = _dataset()
    plain.WindowCenter, plain.WindowWidth, plain.RescaleSlope, plain.RescaleIntercept = "30", "60", "1", "0"
    # Without a window one is chosen from the values: see findings/numpy_loads_masked_arrays_at_the_first_percentile.sh.
    deep = _dataset()
    deep.BitsAllocated, deep.BitsStored, deep.HighBit = 16, 12, 11
    deep.PixelData = (_PATTERN.astype("<u2") * 60).tobytes()
    packed = _dataset()
    packed.compress(uid.RLELossless)
    jpeg_2000 = _dataset()
    jpeg_2000.compress(uid.JPEG2000Lossless)
    jpeg = _dataset()
    jpeg.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    jpeg.PixelData = encapsulate([_encoded("JPEG", "L")])
    return [plain, deep, packed, jpeg_2000, jpeg]


def _dataset() -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = uid.SecondaryCaptureImageStorage, "1.2.3"
    dataset.PatientName, dataset.PatientID, dataset.StudyDate = "Warm^Up", "warm-up", "20200101"
    dataset.Rows = dataset.Columns = _SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.add(DataElement("PixelData", "OB", _PATTERN.tobytes()))
    return dataset
