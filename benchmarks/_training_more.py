"""More data sets of `benchmarks.training`: cells in colour, BreastMNIST with its near-copies, and another hospital's radiographs.

As in `_training_data`, test pictures are read by functions of their own, which only a final reading calls.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture

from benchmarks._training_data import (
    DECODE_LIMIT_S,
    MOST_BYTES,
    MOST_PIXELS,
    Learning,
    Part,
    medmnist,
    tiles,
)
from models_registry.inference.looks import SQUASH, Look
from models_registry.inference.names import LEVELS_KEPT
from models_registry.inference.preprocess import Pixels, Preprocess

CELLS, BREAST, SECOND = "colour_cells", "breastmnist", "second_hospital"
CELL_CLASSES = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")
BREAST_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class View:
    """What the product keeps of an 8-bit scan to learn from, as `Preprocess.pixels` reads it."""

    pixels: npt.NDArray[np.uint8]
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] = (0.0, 255.0)


def view(content: bytes) -> View:
    """The view for learning of one file of 8 bits, by the product's decoder."""
    from images.decoding.formats import SNIFF_BYTES, sniff
    from images.decoding.job import Job
    from images.decoding.render import render
    from images.decoding.viewing import unpacked

    image_format = sniff(content[:SNIFF_BYTES])
    if image_format is None:
        raise SystemExit("A file of the benchmark's data has an unknown format.")
    job = Job(image_format, MOST_PIXELS, MOST_BYTES, DECODE_LIMIT_S, rendition=False, learning=True)
    _, parts = render(content, job)
    with Picture.open(io.BytesIO(unpacked(parts["learning"])[1])) as picture:
        return View(np.asarray(picture))


def seen(files: list[Path], sees: str, size: int, levels: str = LEVELS_KEPT) -> Pixels:
    """What a network that `sees` grey or colour at `size` pixels, of such levels, is given of these files."""
    look = Look.of(sees, SQUASH, "", size, levels)
    if not look.needs_views:
        return tiles(files)
    fitting = Preprocess(size, 0.5, 0.5, look.channels, look)
    return fitting.pixels([view(path.read_bytes()) for path in files])


def _cells(data: Path, split: str, sees: str, size: int) -> Part:
    with (data / CELLS / "labels.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == split]
    files = [data / CELLS / split / row["label"] / row["image_id"] for row in rows]
    labels = np.array([CELL_CLASSES.index(row["label"]) for row in rows], dtype=np.int64)
    # The set names no patients: intervals are too narrow by what that hides.
    return Part(seen(files, sees, size), labels, tuple(path.name for path in files))


def cells(data: Path, *, sees: str, size: int) -> Learning:
    """White blood cells in four classes, very unequal."""
    return Learning(_cells(data, "train", sees, size), _cells(data, "val", sees, size), CELL_CLASSES)


def cells_test(data: Path, *, sees: str, size: int) -> Part:
    """The test cells. Only for a configuration that is settled."""
    return _cells(data, "test", sees, size)


def breast(data: Path) -> Learning:
    """BreastMNIST's official training and validation splits as they are; `near_copies` names what stands in two."""
    return Learning(
        medmnist(data / f"{BREAST}.npz", "train"),
        medmnist(data / f"{BREAST}.npz", "val"),
        ("malignant", "normal or benign"),
    )


def breast_test(data: Path) -> Part:
    """The official test split. Only for a configuration that is settled."""
    return medmnist(data / f"{BREAST}.npz", "test")


def near_copies(first: Part, second: Part) -> list[tuple[str, str]]:
    """Pictures of two splits that show the same by the product's own rule: a hash nominates, the aligned pixels confirm."""
    from images import similarity
    from images.decoding.phash import phash

    known = similarity.hashes([phash(Picture.fromarray(pixels)) for pixels in second.tiles])
    own = similarity.hashes([phash(Picture.fromarray(pixels)) for pixels in first.tiles])
    found = []
    for number, one in enumerate(own):
        for other, _ in similarity.nominees(one, known):
            if similarity.likeness(first.tiles[number], second.tiles[other]) >= similarity.CONFIRMED:
                found.append((first.groups[number], second.groups[other]))
    return found


def without(part: Part, names: set[str]) -> npt.NDArray[np.int64]:
    """Positions of the pictures that are not among these."""
    return np.array([position for position, name in enumerate(part.groups) if name not in names], dtype=np.int64)


def second_hospital(data: Path, half: str, seen: Callable[[list[Path]], Pixels] = tiles) -> Part:
    """Adults of another country. Half "a" may choose recipes; half "b" is read once, for a configuration that is settled. `seen`:
    as of `_training_data.xray`.

    A patient, who has one picture, is on the side that the digest of the number names, so that nobody chose the halves.
    """
    import hashlib

    with (data / SECOND / "labels.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    sides = {row["patient"]: "ab"[hashlib.sha256(row["patient"].encode()).digest()[0] % 2] for row in rows}
    chosen = sorted((row for row in rows if sides[row["patient"]] == half), key=lambda row: row["image_id"])
    files = [data / SECOND / row["label"] / row["image_id"] for row in chosen]
    labels = np.array([("NORMAL", "PNEUMONIA").index(row["label"]) for row in chosen], dtype=np.int64)
    return Part(seen(files), labels, tuple(row["patient"] for row in chosen))
