"""Scans for pictures of the pages, drawn here: nothing in them is of a patient."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Field = npt.NDArray[np.float64]


def skin(seed: int, *, irregular: bool) -> bytes:
    """A pigmented spot on skin, in colour, as JPEG."""
    random = np.random.default_rng(seed)
    rows, columns = 450, 600
    v, u = np.mgrid[0:rows, 0:columns] / rows
    tone = np.array([228, 178, 158]) - random.uniform(0, 30, 3)
    fine = smooth(random, (rows, columns), 90)[..., None] * 5 + smooth(random, (rows, columns), 6)[..., None] * 6
    angle = np.arctan2(v - 0.5, u - 0.66)
    edge = 0.27 + random.uniform(-0.06, 0.05)
    for wave in range(2, 8):
        edge = edge + (0.035 if irregular else 0.008) / wave * 3 * np.sin(wave * angle + random.uniform(0, 6.3))
    distance = np.hypot((u - 0.66) * random.uniform(0.8, 1.1), v - 0.5)
    inside = 1 / (1 + np.exp((distance - edge) / (0.008 if irregular else 0.02)))
    depth = 0.6 + 0.25 * smooth(random, (rows, columns), 14 if irregular else 5) * (1 if irregular else 0.4)
    pigment = np.array([118, 70, 48]) - random.uniform(0, 25, 3)
    share = (inside * depth.clip(0.2, 1))[..., None]
    picture = Image.fromarray((tone * (1 - share) + pigment * share + fine).clip(0, 255).astype(np.uint8))
    picture.filter(ImageFilter.GaussianBlur(0.8)).save(out := io.BytesIO(), "JPEG", quality=90)
    return out.getvalue()


def mammogram(seed: int, *, mass: bool) -> bytes:
    """A breast of 12 bits with its spacing, as DICOM."""
    random = np.random.default_rng(seed)
    rows, columns = 1500, 1200
    row, column = np.mgrid[0:rows, 0:columns].astype(np.float64)
    reach = random.uniform(680, 860)
    inside = 1 / (1 + np.exp((np.hypot(column / reach, (row - rows / 2) / 660) - 1) * 40))
    fibres = smooth(random, (rows, columns), 26) * 160 + smooth(random, (rows, columns), 80) * 90
    gland = np.exp(-(((column - reach * 0.45) / 260) ** 2) - ((row - 740) / 320) ** 2)
    values = inside * (900 + gland * (900 + fibres * 1.6) + fibres * 0.35 + 14 * random.normal(size=(rows, columns)))
    if mass:
        where = random.uniform(250, 430), random.uniform(560, 900)
        spot = np.hypot((column - where[0]) / 62, (row - where[1]) / 55) + 0.25 * smooth(random, (rows, columns), 60)
        values += 1100 / (1 + np.exp((spot - 1) * 9))
    spacing = {"ImagerPixelSpacing": [0.1, 0.1], "WindowCenter": "1500", "WindowWidth": "2600"}
    about = {"Modality": "MG", "PatientID": f"MG{seed:04}", "BodyPartExamined": "BREAST", "ViewPosition": "MLO"}
    return dicom(values.clip(0, 4095).astype("<u2"), 12, f"{seed}1", **about, **spacing)


def cine(seed: int, frames: int = 24) -> bytes:
    """A beating chamber in the fan of an ultrasound probe, as DICOM of several frames."""
    random = np.random.default_rng(seed)
    rows, columns = 360, 480
    row, column = np.mgrid[0:rows, 0:columns].astype(np.float64)
    depth, angle = np.hypot(row, column - columns / 2), np.arctan2(column - columns / 2, row + 1)
    fan = (np.abs(angle) < 0.72) & (depth > 18) & (depth < 345)
    tissue = 92 + 26 * smooth(random, (rows, columns), 40) + 14 * smooth(random, (rows, columns), 9)
    values = np.zeros((frames, rows, columns), np.uint8)
    for number in range(frames):
        beat, shown = 1 + 0.22 * np.sin(2 * np.pi * number / frames), tissue
        for at, wide, tall in ((columns / 2 - 34, 42, 88), (columns / 2 + 46, 32, 66)):
            wall = np.hypot((column - at) / (wide * beat), (row - 185) / (tall * beat**0.5))
            outside = 1 / (1 + np.exp((1 - wall) * 12))
            shown = shown * (0.16 + 0.84 * outside) + 60 * np.exp(-(((wall - 1.12) / 0.09) ** 2))
        values[number] = np.where(fan, shown * random.rayleigh(0.8, (rows, columns)), 0).clip(0, 255)
    about = {"Modality": "US", "PatientID": f"US{seed:04}", "FrameTime": "40", "NumberOfFrames": frames}
    return dicom(values, 8, f"{seed}2", **about)


def smooth(random: np.random.Generator, shape: tuple[int, int], cells: int) -> Field:
    """Noise of about unit variance with so many bumps across."""
    coarse = Image.fromarray(random.normal(size=(cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((shape[1], shape[0]), Image.Resampling.BICUBIC), dtype=np.float64)


def dicom(values: Any, bits: int, number: str, **about: Any) -> bytes:
    from pydicom import Dataset, uid
    from pydicom.dataset import FileMetaDataset

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    root = f"1.2.826.0.1.3680043.8.498.1{number}"
    made.SOPClassUID = uid.SecondaryCaptureImageStorage
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = f"{root}.1", f"{root}.2", f"{root}.3"
    made.Rows, made.Columns, made.SamplesPerPixel = *values.shape[-2:], 1
    made.PhotometricInterpretation, made.PixelRepresentation = "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = values.dtype.itemsize * 8, bits, bits - 1
    made.PixelData = values.tobytes()
    made["PixelData"].VR = "OW" if bits > 8 else "OB"
    for keyword, value in about.items():
        setattr(made, keyword, value)
    made.save_as(out := io.BytesIO(), enforce_file_format=True)
    return out.getvalue()
