"""Pictures that no model of chest radiographs can know, and mild changes that it must not mind. Made apart from the product's own
views, by Pillow and NumPy, and never used to choose anything."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from PIL import ImageFilter

from benchmarks import _training_data as sets

Tiles = npt.NDArray[np.uint8]
Change = Callable[[Tiles], Tiles]
SIDE, MADE = 256, 40


def _each(change: Callable[[Tiles], Any]) -> Change:
    return lambda tiles: np.stack([np.clip(np.asarray(change(one), dtype=np.float64), 0, 255) for one in tiles]).astype(
        np.uint8
    )


def _crop(share: float) -> Change:
    side = round(SIDE * share)
    low = (SIDE - side) // 2
    box = (low, low, low + side, low + side)
    return _each(lambda x: Picture.fromarray(x).resize((SIDE, SIDE), Picture.Resampling.BILINEAR, box=box))


def _contrast(factor: float, *, own: bool) -> Change:
    return _each(lambda x: (x.astype(float) - (m := x.mean() if own else 128)) * factor + m)


def _turn(degrees: float) -> Change:
    return _each(lambda x: Picture.fromarray(x).rotate(degrees, Picture.Resampling.BILINEAR))


def _jpeg(x: Tiles) -> Tiles:
    out = io.BytesIO()
    Picture.fromarray(x).save(out, "JPEG", quality=50)
    return np.asarray(Picture.open(out))


MILD: dict[str, Change] = {
    "mirror": _each(lambda x: x[:, ::-1]),
    "crop_90": _crop(0.9),
    "crop_80": _crop(0.8),
    "blur_1.5": _each(lambda x: Picture.fromarray(x).filter(ImageFilter.GaussianBlur(1.5))),
    "blur_3": _each(lambda x: Picture.fromarray(x).filter(ImageFilter.GaussianBlur(3))),
    "gamma_0.8": _each(lambda x: 255 * (x / 255) ** 0.8),
    "gamma_1.25": _each(lambda x: 255 * (x / 255) ** 1.25),
    "contrast_0.75": _contrast(0.75, own=True),
    "contrast_1.25": _contrast(1.25, own=True),
    "contrast_0.75_mid": _contrast(0.75, own=False),
    "contrast_1.25_mid": _contrast(1.25, own=False),
    "turn_5": _turn(5),
    "turn_-5": _turn(-5),
    "jpeg_50": _each(_jpeg),
}
OTHER: dict[str, Change] = {
    "inverted": _each(lambda x: 255 - x),
    "turned_90": _each(lambda x: np.rot90(x)),
    "turned_180": _each(lambda x: np.rot90(x, 2)),
    "turned_270": _each(lambda x: np.rot90(x, 3)),
}


def made() -> dict[str, Tiles]:
    """Noise, even greys, ramps, patterns and clouds (1/f^2), 40 of each; always the same."""
    random = np.random.default_rng(11)
    down, across = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    return {
        "noise": np.concatenate(
            [
                random.integers(0, 256, (MADE // 2, SIDE, SIDE)),
                np.clip(random.normal(128, random.uniform(10, 60, (MADE // 2, 1, 1)), (MADE // 2, SIDE, SIDE)), 0, 255),
            ]
        ).astype(np.uint8),
        "blank": np.stack([np.full((SIDE, SIDE), grey) for grey in np.linspace(0, 255, MADE)]).astype(np.uint8),
        "gradient": np.stack([_ramp(random, down, across) for _ in range(MADE)]).astype(np.uint8),
        "texture": np.stack([_pattern(random, down, across, n) for n in range(MADE)]).astype(np.uint8),
        "clouds": np.stack([_cloud(random) for _ in range(MADE)]).astype(np.uint8),
    }


def _ramp(random: np.random.Generator, down: Any, across: Any) -> Any:
    angle = random.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * across + np.sin(angle) * down
    low, high = np.sort(random.uniform(0, 255, 2))
    return low + (high - low) * (slope - slope.min()) / np.ptp(slope)


def _pattern(random: np.random.Generator, down: Any, across: Any, number: int) -> Any:
    waves = [
        np.sin(2 * np.pi * random.uniform(3, 30) * (np.cos(angle) * across + np.sin(angle) * down))
        for angle in random.uniform(0, np.pi, 2)
    ]
    pattern = waves[0] * waves[1] if number % 2 else waves[0]
    return np.clip(127 + random.uniform(40, 127) * (np.sign(pattern) if number % 3 == 0 else pattern), 0, 255)


def _cloud(random: np.random.Generator) -> Any:
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None, :])
    spectrum = np.fft.fft2(random.normal(size=(SIDE, SIDE))) / np.maximum(frequency, 1 / SIDE) ** 2
    cloud = np.fft.ifft2(spectrum).real
    return np.clip(128 + 50 * (cloud - cloud.mean()) / cloud.std(), 0, 255)


def photographs() -> Tiles | None:
    """The sample pictures of scikit-image; None where it is not installed (pip install scikit-image)."""
    try:
        import skimage
    except ImportError:
        return None
    files = sorted(
        path for path in (Path(skimage.__file__).parent / "data").iterdir() if path.suffix in (".png", ".jpg")
    )
    small = [Picture.open(path).convert("L").resize((SIDE, SIDE), Picture.Resampling.BILINEAR) for path in files]
    return np.stack([np.asarray(one) for one in small])


def dicom(folder: Path) -> Tiles:
    """The tiles of all files that the product decodes."""
    from images.decoding.errors import Undecodable

    tiles = []
    for path in sorted(folder.glob("*.dcm")):
        try:
            tiles.append(sets.tile(path.read_bytes()))
        except (Undecodable, SystemExit):
            continue
    return np.stack(tiles)


def pictures(folder: Path) -> tuple[Tiles, npt.NDArray[np.int64]]:
    """The tiles of all JPEG files below, and 1 for those in a folder PNEUMONIA."""
    files = sorted(folder.rglob("*.jp*g"))
    labels = np.array([path.parent.name == "PNEUMONIA" for path in files], dtype=np.int64)
    return np.stack([sets.tile(path.read_bytes()) for path in files]), labels


def foreign(data: Path, test: Tiles) -> dict[str, Tiles]:
    """Every set that no model of these radiographs can know, by name."""
    found = {**{name: change(test) for name, change in OTHER.items()}, **made()}
    found |= {name: dicom(data / name) for name in ("dicom", "dicom_more")}
    found["colour_cells"] = pictures(data / "colour_cells")[0]
    photos = photographs()
    return found if photos is None else {**found, "photographs": photos}
