"""Small data sets as CDs, picture archives and packers make them."""

import io
import zipfile
from collections.abc import Callable
from functools import cache

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MediaStorageDirectoryStorage, generate_uid


def packed(files: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    out.seek(0)
    return out


def opened(data: bytes) -> Callable[[], io.BytesIO]:
    """A file that can be read several times."""
    return lambda: io.BytesIO(data)


def written(dataset: FileDataset) -> bytes:
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def empty(kind: str, seed: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[f"{kind}{seed}"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    return dataset


@cache
def dicom(seed: int = 1) -> bytes:
    """A small CT slice; equal seeds give equal bytes."""
    dataset = empty(CTImageStorage, seed)
    dataset.PatientID, dataset.PatientName, dataset.Modality = f"P{seed}", "Roe^Jane", "CT"
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[f"study{seed}"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[f"series{seed}"])
    dataset.Rows = dataset.Columns = 64
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelData = np.random.default_rng(seed).integers(0, 255, (64, 64), dtype=np.uint8).tobytes()
    return written(dataset)


@cache
def directory() -> bytes:
    """A DICOMDIR without records."""
    dataset = empty(MediaStorageDirectoryStorage, 0)
    dataset.FileSetID = "CD"
    dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    dataset.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    dataset.FileSetConsistencyFlag = 0
    dataset.DirectoryRecordSequence = pydicom.Sequence()
    return written(dataset)


def cd() -> dict[str, bytes]:
    """A patient's CD: three slices, an index, a viewer and what else lies on it."""
    return {
        "CD/DICOMDIR": directory(),
        "CD/DICOM/PAT1/STU1/SER1/IM000001": dicom(1),
        "CD/DICOM/PAT1/STU1/SER1/IM000002": dicom(2),
        "CD/DICOM/PAT1/STU1/SER2/I0001.IMA": dicom(3),
        "CD/AUTORUN.INF": b"[autorun]",
        "CD/VIEWER/viewer.exe": b"MZ",
        "CD/VIEWER/lib/viewer.jar": b"PK\x03\x04",
        "CD/VIEWER/logo.png": b"\x89PNG\r\n\x1a\n",
        "CD/VIEWER/LOCKFILE": b"1",
        "CD/INDEX.HTM": b"<html>",
        "CD/README.TXT": b"Start the viewer.",
        "CD/report.pdf": b"%PDF-1.7",
        "CD/study.xml": b"<study/>",
        "CD/MD5SUMS": b"d41d8cd98f00b204e9800998ecf8427e  DICOMDIR",
    }
