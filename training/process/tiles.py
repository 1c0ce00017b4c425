"""The scans of a data set as arrays in memory. Nothing of them is ever written to disk in the clear."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from images.decoding.result import TILE_SIDE
from images.models import Image, Split
from images.renditions import tile
from labeling.models import Snapshot, SnapshotMember
from mediscan_site.core.errors import DomainError
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.inference.preprocess import shrink

CHUNK: Final = 64


class TileUnusable(Exception):
    """A scan of the data set cannot be read; the message names it and says what to do."""


@dataclass(frozen=True)
class Part:
    """One side of a data set: tiles uint8 (N, size, size), labels int64 (N,) as index into the classes, group and key
    of each scan."""

    tiles: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    groups: tuple[str, ...]
    images: tuple[int, ...] = ()


def load(
    snapshot: Snapshot,
    split: Split,
    *,
    class_ids: Sequence[int],
    done: Callable[[int], None],
    size: int = TILE_SIDE,
) -> Part:
    """The members of one side that still exist, in the snapshot's order, shrunk to `size` pixels a side as they are read:
    what a run needs of memory follows from its picture size. `done` is called with the number read so far.

    Raises TileUnusable."""
    present = SnapshotMember.objects.filter(snapshot=snapshot, split=split, image__erased_at__isnull=True).order_by(
        "pk"
    )
    rows = list(present.values_list("image", "label_class", "group"))
    tiles = np.empty((len(rows), size, size), dtype=np.uint8)
    for start in range(0, len(rows), CHUNK):
        wanted = [image for image, _, _ in rows[start : start + CHUNK]]
        scans = Image.objects.select_related("blob").in_bulk(wanted)
        chunk = np.empty((len(wanted), TILE_SIDE, TILE_SIDE), dtype=np.uint8)
        for offset, pk in enumerate(wanted):
            chunk[offset] = read(scans[pk])
            done(start + offset + 1)
        tiles[start : start + len(wanted)] = shrink(chunk, size)
    index = {class_id: position for position, class_id in enumerate(class_ids)}
    return Part(
        tiles=tiles,
        labels=np.array([index[class_id] for _, class_id, _ in rows], dtype=np.int64),
        groups=tuple(group for _, _, group in rows),
        images=tuple(image for image, _, _ in rows),
    )


def read(image: Image, frame: int = 0) -> npt.NDArray[np.uint8]:
    """One tile, uint8 (256, 256), of the scan or of one of its frames, from 1. Raises TileUnusable."""
    with named(image):
        return tile(image, frame)


@contextmanager
def named(image: Image) -> Iterator[None]:
    """What is raised within names the scan: TileUnusable."""
    try:
        yield
    except (DamagedObject, DomainError, ValueError) as error:
        reason = error.detail if isinstance(error, DomainError) else "its stored file is damaged."
        raise TileUnusable(
            f"{image.code} cannot be read: {reason} Ask an administrator to run verify_images and restore it, "
            "or take the scan out of training and start a new run."
        ) from error
