"""Looking for what should be gone: in every file of the site, every object that can still be read, every cell of the database."""

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from django.apps import apps
from django.conf import settings
from django.db import connection
from PIL import Image as Pillow

from mediscan_site.core.models import Blob
from mediscan_site.core.storage import blobs

SIDE = 64
# Re-encoding, windows and scaling leave a picture's correlation with itself far above this, that of two phantoms far below.
SAME_PICTURE = 0.95


def word_hits(words: Iterable[str]) -> list[str]:
    """`where: word` for each planted word that is still somewhere."""
    wanted = {word: word.encode() for word in words}
    return [
        f"{where}: {word}"
        for where, data in (*_files(), *_objects(), *cells())
        for word, found in wanted.items()
        if found.lower() in data.lower()
    ]


def picture_hits(planted: Iterable[np.ndarray]) -> list[str]:
    """The objects that still hold one of these pictures (grey, any size), in whatever format."""
    templates = [_normal(picture) for picture in planted]
    return [
        where
        for where, data in _objects()
        for shown in _pictures(data)
        if any(abs(float((_normal(shown) * template).mean())) > SAME_PICTURE for template in templates)
    ]


def _files() -> Iterator[tuple[str, bytes]]:
    """Everything below the data folder, and the database where it is a file, with its log."""
    roots = [Path(settings.DATA_DIR)]
    if connection.vendor == "sqlite":
        roots += [Path(f"{connection.settings_dict['NAME']}{tail}") for tail in ("", "-wal", "-shm")]
    for root in roots:
        for path in [root, *root.rglob("*")]:
            if path.is_file():
                yield path.name, os.fsencode(path) + path.read_bytes()


def _objects() -> Iterator[tuple[str, bytes]]:
    """The plaintext of every object that somebody with the keys can read; of a ZIP also that of its entries."""
    for blob in Blob.objects.filter(wrapped_key__isnull=False, path__contains="-"):
        data = blobs.read(blob)
        yield f"object {blob.pk} ({blob.content_type})", data
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                yield from ((f"object {blob.pk}/{name}", archive.read(name)) for name in archive.namelist())


def cells() -> Iterator[tuple[str, bytes]]:
    """Every value of every row of every table."""
    for model in apps.get_models(include_auto_created=True):
        names = [field.attname for field in model._meta.concrete_fields]
        for row in model._default_manager.values_list(*names):
            for name, value in zip(names, row, strict=True):
                yield f"{model._meta.label}.{name}", bytes(value) if _raw(value) else str(value).encode()


def _raw(value) -> bool:
    return isinstance(value, bytes | memoryview)


def _pictures(data: bytes) -> Iterator[np.ndarray]:
    if len(data) == 256 * 256:
        yield np.frombuffer(data, dtype=np.uint8).reshape(256, 256)
    try:
        shown = Pillow.open(io.BytesIO(data))
        yield np.asarray(shown.convert("L") if shown.mode != "RGBA" else shown.getchannel("A"))
    except OSError:
        if data[128:132] == b"DICM":
            import pydicom

            yield pydicom.dcmread(io.BytesIO(data)).pixel_array


def _normal(picture: np.ndarray) -> np.ndarray:
    """Scaled to SIDE by SIDE, mean 0, deviation 1 (all 0 for a flat one)."""
    small = Pillow.fromarray(np.asarray(picture, dtype=np.float32)).resize((SIDE, SIDE), Pillow.Resampling.BOX)
    values = np.asarray(small, dtype=np.float64)
    values -= values.mean()
    return np.asarray(values / (values.std() or 1.0))
