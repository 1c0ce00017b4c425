"""The data sets of `benchmarks.training` as tiles, made by the decoder that makes them when a scan comes in.

The test pictures are read by functions of their own (`pneumoniamnist_test`, `xray_test`), which only a final reading calls.
"""

import csv
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture

from models_registry.inference.names import TILE_SIDE
from models_registry.inference.preprocess import Tiles

Pictures = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

ARCHIVE = "pneumoniamnist.npz"
# The shortest side of any original of the chest radiographs is 140 pixels.
EQUAL_SIDE = 96
MOST_PIXELS, MOST_BYTES, DECODE_LIMIT_S = 100_000_000, 100_000_000, 60.0


@dataclass(frozen=True)
class Part:
    """One side of a data set: tiles (N, 256, 256), labels (N,), the group (patient) of each picture."""

    tiles: Tiles
    labels: Labels
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: npt.NDArray[Any]) -> "Part":
        return Part(self.tiles[index], self.labels[index], tuple(self.groups[i] for i in index.tolist()))


@dataclass(frozen=True)
class Learning:
    """What a model may learn from and be chosen on. `leaks`: names of the training pictures left out, as they are also in val."""

    train: Part
    val: Part
    classes: tuple[str, ...]
    leaks: tuple[str, ...] = ()


def tile(content: bytes) -> Pictures:
    """The tile (256, 256) of one file, by the product's decoder."""
    from images.decoding.formats import SNIFF_BYTES, sniff
    from images.decoding.job import Job
    from images.decoding.render import render

    image_format = sniff(content[:SNIFF_BYTES])
    if image_format is None:
        raise SystemExit("A file of the benchmark's data has an unknown format.")
    _, parts = render(content, Job(image_format, MOST_PIXELS, MOST_BYTES, DECODE_LIMIT_S, rendition=False))
    return np.frombuffer(parts["tile"], dtype=np.uint8).reshape(TILE_SIDE, TILE_SIDE)


def png(pixels: Pictures) -> bytes:
    """A grey picture as a file."""
    out = io.BytesIO()
    Picture.fromarray(pixels).save(out, "PNG", compress_level=0)
    return out.getvalue()


def leaks(train: Pictures, val: Pictures) -> dict[int, int]:
    """Position in `train` -> position in `val` of the pictures that are in both, by the hash of their pixels."""
    known = {_digest(pixels): position for position, pixels in reversed(list(enumerate(val)))}
    matches = ((position, known.get(_digest(pixels))) for position, pixels in enumerate(train))
    return {position: other for position, other in matches if other is not None}


def _digest(pixels: Pictures) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).digest()


def pneumoniamnist_pictures(data: Path, split: str) -> tuple[Pictures, Labels]:
    """The 28 x 28 pictures (N, 28, 28) of one split and their labels (0 normal, 1 pneumonia)."""
    return medmnist_pictures(data / ARCHIVE, split)


def medmnist_pictures(archive: Path, split: str) -> tuple[Pictures, Labels]:
    """The pictures (N, S, S) of one split of a set of MedMNIST, and their labels."""
    with np.load(archive) as arrays:
        return arrays[f"{split}_images"], arrays[f"{split}_labels"].reshape(-1).astype(np.int64)


def medmnist(archive: Path, split: str) -> Part:
    """The same as tiles."""
    pictures, labels = medmnist_pictures(archive, split)
    tiles = np.stack([tile(png(pixels)) for pixels in pictures])
    # The set names no patients: every picture counts as its own, and intervals are too narrow by what that hides.
    return Part(tiles, labels, tuple(f"{split}{number}" for number in range(len(labels))))


def pneumoniamnist(data: Path) -> Learning:
    """The official training and validation splits, without the training pictures that are also in validation."""
    twins = leaks(pneumoniamnist_pictures(data, "train")[0], pneumoniamnist_pictures(data, "val")[0])
    train = medmnist(data / ARCHIVE, "train")
    kept = np.setdiff1d(np.arange(len(train)), list(twins))
    names = tuple(f"train[{position}] = val[{other}]" for position, other in sorted(twins.items()))
    return Learning(train.take(kept), medmnist(data / ARCHIVE, "val"), ("normal", "pneumonia"), names)


def pneumoniamnist_test(data: Path) -> Part:
    """The official test split. Only for a configuration that is settled."""
    return medmnist(data / ARCHIVE, "test")


def tiles(files: list[Path]) -> Pictures:
    """The tiles (N, 256, 256) of these files."""
    return np.stack([tile(path.read_bytes()) for path in files])


def _xray(data: Path, split: str, seen: Callable[[list[Path]], Pictures]) -> Part:
    with (data / "labels_meta.csv").open(newline="") as table:
        patients = {row["image_id"]: row["patient"] for row in csv.DictReader(table)}
    folders = sorted(path for path in (data / "dataset" / split).iterdir() if path.is_dir())
    files = [(path, label) for label, folder in enumerate(folders) for path in sorted(folder.iterdir())]
    return Part(
        seen([path for path, _ in files]),
        np.array([label for _, label in files], dtype=np.int64),
        tuple(patients[path.name] for path, _ in files),
    )


def xray(data: Path, seen: Callable[[list[Path]], Pictures] = tiles) -> Learning:
    """The chest radiographs of `dataset/`, one patient on one side only. `seen`: what a network is given of files."""
    names = tuple(sorted(path.name for path in (data / "dataset" / "train").iterdir() if path.is_dir()))
    return Learning(_xray(data, "train", seen), _xray(data, "val", seen), names)


def xray_test(data: Path, seen: Callable[[list[Path]], Pictures] = tiles) -> Part:
    """The test radiographs. Only for a configuration that is settled."""
    return _xray(data, "test", seen)


def equalised(part: Part) -> Part:
    """The same scans without what gives their class away in this set: colour and resolution.

    Tiles are grey whatever the file was. Sharpness still tells the large originals of one class from the small ones of
    the other, so each tile goes down to `EQUAL_SIDE` pixels, which every original has, and up again.
    """
    return replace(part, tiles=np.stack([_blunt(pixels) for pixels in part.tiles]))


def _blunt(pixels: Pictures) -> Pictures:
    small = Picture.fromarray(pixels).resize((EQUAL_SIDE, EQUAL_SIDE), Picture.Resampling.BOX)
    return np.asarray(small.resize((TILE_SIDE, TILE_SIDE), Picture.Resampling.BILINEAR), dtype=np.uint8)
