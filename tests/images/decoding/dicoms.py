"""DICOM files made for the tests."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from pydicom import DataElement, Dataset, dcmread, uid
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate

from images.decoding import Decoded, DecoderPool
from tests.images.decoding.conftest import DEID

INSTANCE = "1.2.826.0.1.3680043.8.498.1"


def dataset(values: np.ndarray, **tags) -> Dataset:
    """A secondary capture of `values`: rows by columns, by 3 for RGB, and one more axis in front for frames.

    `tags` are keywords; None takes one away.
    """
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = uid.SecondaryCaptureImageStorage, INSTANCE
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{INSTANCE}.2", f"{INSTANCE}.3"
    made.PatientName, made.PatientID, made.Modality = "Doe^Jane", "PAT-7", "CR"
    is_colour = values.ndim > 2 and values.shape[-1] == 3
    frames = values.shape[0] if values.ndim > 2 + is_colour else None
    made.Rows, made.Columns = values.shape[-3:-1] if is_colour else values.shape[-2:]
    made.SamplesPerPixel = 3 if is_colour else 1
    made.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if is_colour:
        made.PlanarConfiguration = 0
    if frames is not None:
        made.NumberOfFrames = frames
    bits = 8 * values.dtype.itemsize
    made.BitsAllocated, made.BitsStored, made.HighBit = bits, tags.get("BitsStored") or bits, bits - 1
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(values.dtype.kind == "i")
    made.add(DataElement("PixelData", "OW" if bits > 8 else "OB", _even(values.tobytes())))
    for keyword, value in tags.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


def dicom(values: np.ndarray, **tags) -> bytes:
    """The file of `dataset()`."""
    return written(dataset(values, **tags))


def packed(frames: Sequence[bytes], values: np.ndarray, syntax: uid.UID, **tags) -> bytes:
    """The file of `dataset()` with codestreams for its frames."""
    made = dataset(values, **tags)
    made.file_meta.TransferSyntaxUID = syntax
    made.PixelData = encapsulate(list(frames))
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return written(made)


def in_syntax(values: np.ndarray, syntax: uid.UID, **tags) -> bytes:
    """The file of `dataset()` in another transfer syntax without compression of pixels."""
    made = dataset(values, **tags)
    made.file_meta.TransferSyntaxUID = syntax
    if syntax == uid.ExplicitVRBigEndian:
        made["PixelData"].value = _even(values.astype(values.dtype.newbyteorder(">")).tobytes())
    return written(made)


def written(source: Dataset) -> bytes:
    """A whole file with preamble and file meta information."""
    buffer = io.BytesIO()
    source.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def edited(data: bytes, change: Callable[[FileDataset], None]) -> bytes:
    """The file after `change` of its data set."""
    source = dcmread(io.BytesIO(data))
    change(source)
    return written(source)


def decode(pool: DecoderPool, data: bytes, **options) -> Decoded:
    """Decode a DICOM file from outside."""
    return pool.decode(data, deid=DEID, **options)


def _even(data: bytes) -> bytes:
    return data + b"\x00" * (len(data) % 2)
