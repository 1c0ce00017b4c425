"""DICOM files in one ZIP, compared with the work nobody can avoid: 512 x 512 pixels of 16 bits, as a CT or a small detector has.

Unavoidable per file, in one thread and without flushing to the disk: read it, SHA-256, parse it, decode its pixels to 8 bits,
a thumbnail, de-identify the data set by the site's own rules, write it as DICOM again, AES-256-GCM of both, write both.
"""

import hashlib
import io
import os
import statistics
import time
import zipfile
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from PIL import Image as Picture

from benchmarks._bench import Bench, worker_process

SIDE = 512
COUNT = 1000


def run(bench: Bench, count: int, rounds: int) -> float:
    """Unavoidable time ÷ the real time of an import, median over rounds."""
    packed, ratios = _packed(count), []
    with worker_process() as worker:
        for number in range(rounds + 1):
            least, real = plain(bench, packed), _import(bench, worker, packed, count)
            if number or not rounds:
                ratios.append(least / real)
                print(f"dicom: unavoidable {1000 * least / count:.2f}, import {1000 * real / count:.2f} ms a file")
    return round(statistics.median(ratios), 3)


def _packed(count: int) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number, data in enumerate(files(count)):
            made.writestr(f"{('NORMAL', 'OPACITY')[number % 2]}/{number:05}.dcm", data)
    return out


def files(count: int) -> list[bytes]:
    """Different files of different patients, one study each, with the usual elements of a header."""
    from images.phantoms import phantom

    random = np.random.default_rng(0)
    bases = [np.asarray(phantom(seed, 0, bool(seed % 2)).convert("L").resize((SIDE, SIDE))) for seed in range(8)]
    return [_file(number, bases[number % len(bases)], random) for number in range(count)]


def _file(number: int, base: Any, random: Any) -> bytes:
    from pydicom import DataElement, Dataset, uid
    from pydicom.dataset import FileMetaDataset

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    root = f"1.2.826.0.1.3680043.8.498.{number + 1}"
    made.SOPClassUID, made.SOPInstanceUID = uid.ComputedRadiographyImageStorage, f"{root}.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{root}.2", f"{root}.3"
    made.PatientName, made.PatientID, made.PatientBirthDate = f"Doe^{number}", f"MRN{number:07}", "19600101"
    made.PatientSex, made.PatientAge = "FM"[number % 2], "060Y"
    made.StudyDate, made.StudyTime, made.AccessionNumber = "20240102", "101500", f"A{number}"
    made.InstitutionName, made.ReferringPhysicianName, made.Manufacturer = "General", "Roe^R", "Maker"
    made.Modality, made.BodyPartExamined, made.ViewPosition = "CR", "CHEST", "PA"
    made.SeriesNumber, made.InstanceNumber, made.StudyID = 1, 1, "1"
    made.Rows = made.Columns = SIDE
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 0
    made.PixelSpacing, made.WindowCenter, made.WindowWidth = ["0.5", "0.5"], "32000", "60000"
    pixels = base.astype(np.uint16) * 200 + random.integers(0, 4000, (SIDE, SIDE), dtype=np.uint16)
    made.add(DataElement("PixelData", "OW", pixels.tobytes()))
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def plain(bench: Bench, packed: io.BytesIO) -> float:
    from pydicom import dcmread

    from images.decoding.deid.options import DeidOptions
    from images.decoding.deid.sweep import deidentify

    folder = bench.folder / f"plain-dicom-{bench.made}"
    folder.mkdir()
    options = DeidOptions(secret=bytes(32))
    start = time.perf_counter()
    with zipfile.ZipFile(packed) as source:
        for number, name in enumerate(source.namelist()):
            data = source.read(name)
            hashlib.sha256(data).hexdigest()
            dataset = dcmread(io.BytesIO(data))
            picture = Picture.fromarray((dataset.pixel_array >> 8).astype(np.uint8))
            picture.thumbnail((256, 256))
            small, stored = io.BytesIO(), io.BytesIO()
            picture.save(small, "JPEG", quality=85)
            deidentify(dataset, options)
            dataset.save_as(stored, enforce_file_format=True)
            for kind, content in (("scan", stored.getvalue()), ("thumbnail", small.getvalue())):
                sealed = AESGCM(os.urandom(32)).encrypt(os.urandom(12), content, None)
                (folder / f"{number}-{kind}").write_bytes(sealed)
    return time.perf_counter() - start


def _import(bench: Bench, worker: Any, packed: io.BytesIO, count: int) -> float:
    from images.models import Image

    start = time.perf_counter()
    batch = bench.start_import(packed)
    worker.give(batch.pk)
    worker.wait()
    seconds = time.perf_counter() - start
    batch.refresh_from_db()
    stored = Image.objects.filter(project=batch.project_id, image_format="DICOM", label_status="labeled").count()
    if (batch.status, stored) != ("succeeded", count):
        raise SystemExit(f"The import of DICOM files {batch.status} with {stored} of {count} scans. {batch.error}")
    return seconds
