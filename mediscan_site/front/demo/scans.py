"""The demo's scans: generated phantoms, or the user's own ZIP or folder (PROTOCOL section 5's layout)."""

import csv
import io
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from images import phantoms
from images.decoding import formats

SPLITS = ("train", "val", "test")
SCAN_SUFFIXES = formats.suffixes()
LABELS_FILE = "labels.csv"
NEW_PATIENTS_SEED = 7


@dataclass(frozen=True)
class SingleScan:
    """One file on its own, and what a doctor would say it is."""

    name: str
    data: bytes
    label: str
    split: str
    patient: str


@dataclass(frozen=True)
class DemoData:
    title: str
    classes: list[str]
    singles: list[SingleScan]
    archive: BinaryIO
    to_grade: list[SingleScan]


def _jpeg(item: phantoms.Phantom) -> SingleScan:
    return SingleScan(item.image_id, _jpeg_bytes(item.image), item.label, item.split, item.patient)


def _zip_of(entries: Iterator[tuple[str, bytes]]) -> BinaryIO:
    out = tempfile.TemporaryFile()  # noqa: SIM115 -- handed on, and without a name on the disk
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    out.seek(0)
    return cast(BinaryIO, out)


def _phantom_entries(scans: list[SingleScan]) -> Iterator[tuple[str, bytes]]:
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["image_id", "label", "split", "patient", "modality"])
    for scan in scans:
        rows.writerow([scan.name, scan.label, scan.split, scan.patient, "X-ray"])
        yield f"{scan.split}/{scan.label}/{scan.name}", scan.data
    yield LABELS_FILE, table.getvalue().encode()


def sample_data(single_count: int = 12) -> DemoData:
    """Synthetic chest-radiograph phantoms: some as single files, the rest as one ZIP, and new patients to grade."""
    scans = [_jpeg(item) for item in phantoms.iterate()]
    singles = [scan for scan in scans if scan.split == "train"][:single_count]
    rest = [scan for scan in scans if scan not in singles]
    new = [_jpeg(item) for item in phantoms.iterate(4, 1, seed=NEW_PATIENTS_SEED)]
    return DemoData("chest phantoms", list(phantoms.CLASSES), singles, _zip_of(_phantom_entries(rest)), new)


def noise() -> bytes:
    """A picture of nothing, always the same."""
    grey = np.random.default_rng(NEW_PATIENTS_SEED).integers(0, 256, (256, 256), dtype=np.uint8)
    return _jpeg_bytes(Image.fromarray(grey))


def negative(data: bytes) -> bytes:
    """The same scan with dark and bright exchanged, as a wrong export makes it. What is no picture that Pillow reads, such as
    DICOM, stays as it is."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return _jpeg_bytes(ImageOps.invert(picture.convert("L")))
    except UnidentifiedImageError:
        return data


def _jpeg_bytes(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def own_data(path: Path) -> DemoData:
    """The user's scans. Everything goes in as one ZIP; two of the test scans are graded afterwards."""
    archive = _as_zip(path)
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if name.lower().endswith(SCAN_SUFFIXES)]
        classes = _classes(opened, names)
        last = [SingleScan(PurePosixPath(name).name, opened.read(name), "", "", "") for name in _spread(names, 2)]
    archive.seek(0)
    if len(classes) < 2:
        raise ValueError(
            f"{path} names {len(classes)} classes. Put the scans into folders named after at least two classes, "
            f"or add a {LABELS_FILE} with the columns image_id,label."
        )
    return DemoData(path.stem, classes, [], archive, last)


def _as_zip(path: Path) -> BinaryIO:
    if path.is_file():
        return path.open("rb")
    if not path.is_dir():
        raise ValueError(f"{path} is neither a folder nor a ZIP file.")
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return _zip_of((file.relative_to(path).as_posix(), file.read_bytes()) for file in files)


def _classes(archive: zipfile.ZipFile, names: list[str]) -> list[str]:
    """Class names in order: the folders that hold scans, else what the labels file says."""
    folders = {PurePosixPath(name).parent.name for name in names} - {"", *SPLITS}
    if len(folders) > 1:
        return sorted(folders)
    table = next((name for name in archive.namelist() if PurePosixPath(name).name == LABELS_FILE), None)
    if table is None:
        return sorted(folders)
    with archive.open(table) as raw:
        rows = csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8-sig"))
        return sorted({row["label"].strip() for row in rows if row.get("label")})


def _spread(names: list[str], count: int) -> list[str]:
    """A few names from all over the list, test scans first."""
    tests = [name for name in names if "test" in PurePosixPath(name).parts] or names
    return tests[:: max(len(tests) // count, 1)][:count]
