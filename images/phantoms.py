"""Synthetic chest-radiograph phantoms, with and without a soft opacity in a lung, for samples and tests.

Nothing here is patient data. A patient's anatomy and device follow from `patient_seed`; position, breath, exposure and
noise from the scan. Lengths are in fractions of the picture: u runs from -1 (left) to 1 (right), v from 0 (top) to 1.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 512, 480
CLASSES = ("NORMAL", "OPACITY")
SPLITS = ("train", "val", "test")
SPLIT_SHARES = (0.6, 0.15, 0.25)
COLUMNS = ("image_id", "label", "split", "patient", "modality", "body_part", "view", "device")
# Anatomy is drawn on a coarser grid and enlarged: it is smooth, and noise is added at full size.
_W, _H = WIDTH // 2, HEIGHT // 2

Field = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Phantom:
    """One synthetic scan with what a labels file says about it."""

    image: Image.Image
    image_id: str
    label: str
    split: str
    patient: str
    device: str


@dataclass(frozen=True)
class _Patient:
    """Anatomy and device of one patient; lengths as in the module's docstring."""

    chest: float
    lung_width: float
    lung_top: float
    lung_bottom: float
    heart: float
    rib_gap: float
    rib_slope: float
    fat: float
    device: int
    texture_seed: int


@dataclass(frozen=True)
class _Pose:
    """What changes from scan to scan."""

    shift_u: float
    shift_v: float
    angle: float
    scale: float
    breath: float
    exposure: float


def _patient(seed: int) -> _Patient:
    rng = np.random.default_rng([seed, 1])
    return _Patient(
        chest=rng.uniform(0.74, 0.90),
        lung_width=rng.uniform(0.25, 0.31),
        lung_top=rng.uniform(0.14, 0.20),
        lung_bottom=rng.uniform(0.72, 0.82),
        heart=rng.uniform(0.15, 0.23),
        rib_gap=rng.uniform(0.070, 0.088),
        rib_slope=rng.uniform(0.16, 0.30),
        fat=rng.uniform(0.85, 1.2),
        device=int(rng.integers(0, 4)),
        texture_seed=int(rng.integers(0, 2**31)),
    )


def _pose(rng: np.random.Generator) -> _Pose:
    return _Pose(
        shift_u=rng.uniform(-0.06, 0.06),
        shift_v=rng.uniform(-0.03, 0.03),
        angle=rng.uniform(-0.06, 0.06),
        scale=rng.uniform(0.94, 1.06),
        breath=rng.uniform(-0.03, 0.03),
        exposure=rng.uniform(0.78, 1.25),
    )


def _grid(pose: _Pose) -> tuple[Field, Field]:
    """u and v of every pixel after undoing the pose, each (_H, _W)."""
    v, u = np.mgrid[0:_H, 0:_W].astype(np.float64)
    u, v = u / (_W - 1) * 2 - 1 - pose.shift_u, v / (_H - 1) - 0.5 - pose.shift_v
    cos, sin = np.cos(pose.angle) / pose.scale, np.sin(pose.angle) / pose.scale
    return u * cos + v * sin, v * cos - u * sin + 0.5


def _soft(distance: Field, width: float) -> Field:
    """1 where `distance` is well below 0, 0 well above, with an edge of about `width`."""
    return np.asarray(1 / (1 + np.exp(np.clip(distance / width, -40, 40))))


def _ellipse(
    u: Field, v: Field, centre: tuple[float, float], radii: tuple[float, float], edge: float, power: float = 2
) -> Field:
    r = (np.abs((u - centre[0]) / radii[0]) ** power + np.abs((v - centre[1]) / radii[1]) ** power) ** (1 / power)
    return _soft(r - 1, edge)


def _texture(rng: np.random.Generator, cells: int) -> Field:
    """Smooth noise (_H, _W) of about unit variance with `cells` bumps across."""
    coarse = rng.normal(size=(cells, cells)).astype(np.float32)
    smooth = Image.fromarray(coarse, "F").resize((_W, _H), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float64)


def _ribs(u: Field, v: Field, p: _Patient) -> Field:
    """Posterior ribs falling outwards and fainter anterior ones rising outwards."""
    back = (v - 0.10 - p.rib_slope * u**2) / p.rib_gap
    front = (v - 0.16 + 0.9 * p.rib_slope * np.abs(u) - 0.1) / (p.rib_gap * 1.25)
    pulse = _soft(np.abs(back - np.round(back)) - 0.19, 0.035) + 0.55 * _soft(
        np.abs(front - np.round(front)) - 0.17, 0.05
    )
    cage = _ellipse(u, v, (0, 0.48), (p.chest * 0.86, 0.46), 0.03, 2.6)
    return np.asarray(pulse * cage * _soft(0.10 - np.abs(u), 0.02))


def _lungs(u: Field, v: Field, p: _Patient, breath: float) -> tuple[Field, Field]:
    """The two lung fields (right lung of the patient is on the left of the picture), each (_H, _W) in 0..1."""
    bottom = p.lung_bottom + breath
    middle, half = (p.lung_top + bottom) / 2, (bottom - p.lung_top) / 2
    fields = []
    for side in (-1.0, 1.0):
        taper = 1 - 0.35 * np.clip((middle - v) / half, 0, 1) ** 1.5
        centre = side * (p.chest * 0.46 - 0.03 * (v - middle))
        r = (np.abs((u - centre) / (p.lung_width * taper)) ** 2.6 + np.abs((v - middle) / half) ** 2.6) ** (1 / 2.6)
        dome = bottom - 0.03 - (0.015 if side < 0 else 0.0) + 0.5 * (u - centre) ** 2
        fields.append(_soft(r - 1, 0.025) * _soft(v - dome, 0.008))
    return fields[0], fields[1]


def _opacity(u: Field, v: Field, p: _Patient, rng: np.random.Generator) -> Field:
    """A soft irregular patch in one lung."""
    side = rng.choice([-1.0, 1.0])
    centre = side * (p.chest * 0.46 + rng.uniform(-0.07, 0.09)), rng.uniform(p.lung_top + 0.14, p.lung_bottom - 0.12)
    radius = rng.uniform(0.11, 0.19), rng.uniform(0.06, 0.11)
    wobble = 1 + 0.22 * _texture(rng, 9)
    r2 = ((u - centre[0]) / radius[0]) ** 2 + ((v - centre[1]) / radius[1]) ** 2
    return np.asarray(
        rng.uniform(0.6, 1.0) * np.exp(-0.5 * (r2 * wobble.clip(0.4)) ** 1.3) * (1 + 0.15 * _texture(rng, 24))
    )


def _attenuation(p: _Patient, pose: _Pose, rng: np.random.Generator, *, opacity: bool) -> Field:
    """What the rays meet on their way, (_H, _W), about 0 (air) to 2.6 (spine)."""
    u, v = _grid(pose)
    own = np.random.default_rng(p.texture_seed)
    body = _ellipse(u, v, (0, 0.72), (p.chest, 0.66), 0.02, 3.2) + 0.9 * _ellipse(u, v, (0, 0.05), (0.26, 0.22), 0.04)
    right, left = _lungs(u, v, p, pose.breath)
    lungs = np.maximum(right, left)
    heart = _ellipse(u, v, (0.10, p.lung_bottom - 0.16), (p.heart * 1.6, 0.17), 0.05)
    heart = np.maximum(heart, _ellipse(u, v, (0.02, 0.40), (0.13, 0.34), 0.10))
    clear = lungs * (1 - 0.92 * heart)
    hilum = sum(np.exp(-(((u - s * 0.24) / 0.10) ** 2) - ((v - 0.45) / 0.10) ** 2) for s in (-1, 1))
    vessels = np.clip(_texture(own, 40), 0, None) * (0.10 + 0.35 * np.asarray(hilum)) + 0.05 * _texture(own, 14)
    a = 1.35 * p.fat * np.clip(body, 0, 1.15) * (1 - 0.72 * clear)
    a += 0.45 * heart * np.clip(body, 0, 1) + clear * vessels + 0.22 * _ribs(u, v, p) * np.clip(body, 0, 1)
    a += 0.35 * _soft(np.abs(u) - 0.055, 0.012) * np.clip(body, 0, 1) * (0.8 + 0.2 * np.sin(v * 80))
    a += (
        0.22
        * _soft(np.abs(v - 0.17 + 0.16 * np.abs(u)) - 0.013, 0.005)
        * _soft(np.abs(u) - p.chest * 0.8, 0.02)
        * np.clip(body, 0, 1)
    )
    if opacity:
        a += _opacity(u, v, p, rng) * clear
    return np.asarray(a)


def _expose(a: Field, p: _Patient, pose: _Pose, rng: np.random.Generator) -> Field:
    """Attenuation -> grey (HEIGHT, WIDTH) in 0..1 with the response, unsharpness and noise of the patient's device."""
    gain, gamma, noise, blur = (
        (0.62, 0.95, 0.016, 0.5),
        (0.75, 1.15, 0.024, 0.9),
        (0.55, 0.85, 0.030, 0.7),
        (0.68, 1.05, 0.020, 1.2),
    )[p.device]
    grey = (1 - np.exp(-gain * pose.exposure * a)) ** gamma
    small = Image.fromarray((grey * 1.15).astype(np.float32), "F")
    full = small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    picture = np.asarray(full, dtype=np.float64) + noise * rng.normal(size=(HEIGHT, WIDTH))
    unsharp = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(unsharp, dtype=np.float64) / 255


def _finish(grey: Field, p: _Patient, rng: np.random.Generator) -> Image.Image:
    """Collimator border, side letter and now and then an electrode, none of which says anything about the class."""
    image = Image.fromarray((np.clip(grey, 0, 1) * 255).round().astype(np.uint8))
    draw = ImageDraw.Draw(image)
    if p.device % 2:
        edge = int(rng.integers(4, 16))
        draw.rectangle((0, 0, WIDTH - 1, HEIGHT - 1), outline=4, width=edge)
    draw.text((WIDTH - 60, 30 + int(rng.integers(0, 30))), "L", fill=235, font_size=26)
    for _ in range(int(rng.integers(0, 3))):
        x, y = int(rng.integers(120, 392)), int(rng.integers(110, 360))
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), outline=225, width=2)
    return image


def phantom(patient_seed: int, scan_index: int, opacity: bool) -> Image.Image:  # noqa: FBT001 - reads well
    """One scan of one patient, mode "L", 512 x 480; the same arguments give the same pixels."""
    p = _patient(patient_seed)
    rng = np.random.default_rng([patient_seed, 2, scan_index])
    pose = _pose(rng)
    return _finish(_expose(_attenuation(p, pose, rng, opacity=opacity), p, pose, rng), p, rng)


def _split_of(index: int, n_patients: int) -> str:
    position = (index + 0.5) / n_patients
    return SPLITS[0] if position < SPLIT_SHARES[0] else SPLITS[1] if position < sum(SPLIT_SHARES[:2]) else SPLITS[2]


def iterate(n_patients: int = 80, scans_per_patient: int = 4, seed: int = 0) -> Iterator[Phantom]:
    """The scans of a data set one after the other, both classes equally often, all scans of a patient in one split."""
    if n_patients < 4 or scans_per_patient < 1:
        raise ValueError("a phantom data set needs at least 4 patients and 1 scan per patient")
    for patient in range(n_patients):
        patient_seed = seed * 100_003 + patient
        for scan in range(scans_per_patient):
            opacity = (patient + scan) % 2 == 1
            yield Phantom(
                image=phantom(patient_seed, scan, opacity),
                image_id=f"phantom-{seed}-{patient:03d}-{scan}.jpg",
                label=CLASSES[opacity],
                split=_split_of(patient, n_patients),
                patient=f"P{seed}-{patient:03d}",
                device=f"phantom-device-{_patient(patient_seed).device}",
            )


def write_dataset(folder: str | Path, n_patients: int = 80, scans_per_patient: int = 4, seed: int = 0) -> list[Path]:
    """Write `{train,val,test}/{CLASS}/*.jpg` and `labels.csv` under `folder`; the pictures' paths."""
    root = Path(folder)
    paths: list[Path] = []
    root.mkdir(parents=True, exist_ok=True)
    with (root / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(COLUMNS)
        for item in iterate(n_patients, scans_per_patient, seed):
            path = root / item.split / item.label / item.image_id
            path.parent.mkdir(parents=True, exist_ok=True)
            item.image.save(path, quality=92)
            rows.writerow((item.image_id, item.label, item.split, item.patient, "X-ray", "CHEST", "PA", item.device))
            paths.append(path)
    return paths
