"""Small DICOM files, each a picture of its own."""

import io

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

ROOT_UID = "1.2.826.0.1.3680043.8.498.77"


def dicom(number: int, *, side: int = 64, frames: int = 1, **values: object) -> bytes:
    """Picture `number` of a radiograph: equal arguments give equal bytes. `values`: attributes by keyword, over the usual ones."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = ComputedRadiographyImageStorage, f"{ROOT_UID}.3.{number}"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{ROOT_UID}.1.{number // 4}", f"{ROOT_UID}.2.{number // 2}"
    made.PatientID, made.PatientName, made.Modality = f"P{number // 4}", "Doe^Jane", "CR"
    made.StudyDate, made.StudyTime, made.AccessionNumber = "20261101", "101500", ""
    made.Rows = made.Columns = side
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    if frames > 1:
        made.NumberOfFrames = frames
    made.PixelData = _pixels(number, frames, side)
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return written(made)


def written(made: Dataset) -> bytes:
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _pixels(number: int, frames: int, side: int) -> bytes:
    """A smooth field with a little noise: neither flat nor like its neighbours."""
    noise = np.random.default_rng(number)
    rows, columns = np.mgrid[0:side, 0:side] / side
    waves = noise.uniform(2, 9, (frames, 2, 1, 1))
    field = np.sin(waves[:, 0] * rows) * np.cos(waves[:, 1] * columns)
    return (1800 + 1500 * field + noise.uniform(0, 60, field.shape)).astype("<u2").tobytes()
