"""The scans of a data set as a training reads them: in memory, or sealed on the disk where they are too many. Nothing of them is
ever written in the clear."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
from django.db.models import QuerySet

from images.decoding.result import TILE_SIDE
from images.learning import LearningView, view
from images.models import Image, Rendition, RenditionKind, Split
from images.renditions import tile
from labeling.models import Snapshot, SnapshotMember
from mediscan_site.core.errors import DomainError
from mediscan_site.core.models import Blob
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.inference.frames import Reasons, readable
from models_registry.inference.knowing.rules import quality
from models_registry.inference.looks import TILES, Look
from models_registry.inference.preprocess import Pixels, shrink
from models_registry.versions import reading
from training.engine.framing import Scans, firsts, of_scans
from training.engine.group import ALONE, Group
from training.engine.pictures import READERS, Pictures, read_ahead
from training.memory import budget
from training.process import shared
from training.process.sealed import require_room

CHUNK: Final = 64


class TileUnusable(Exception):
    """A scan of the data set cannot be read; the message names it and says what to do."""


@dataclass(frozen=True)
class Part:
    """One side of a data set: tiles uint8 (N, size, size), or what another look makes of views (N, size, size, C); labels int64
    (N,) as index into the classes, group and key of each scan.

    A scan of several frames stands here once for each of them, in `frames` from 1, and `scans` says which are of one scan: all have
    its label and its group, so that no split parts them."""

    tiles: Pictures
    labels: npt.NDArray[np.int64]
    groups: tuple[str, ...]
    images: tuple[int, ...] = ()
    frames: tuple[int, ...] = ()
    scans: Scans = None

    @property
    def scan_labels(self) -> npt.NDArray[np.int64]:
        return of_scans(self.labels, self.scans)

    @property
    def scan_groups(self) -> tuple[str, ...]:
        return self.groups if self.scans is None else tuple(self.groups[at] for at in firsts(self.scans))

    @property
    def scan_images(self) -> tuple[int, ...]:
        return self.images if self.scans is None else tuple(self.images[at] for at in firsts(self.scans))

    def frame_of(self, position: int) -> int:
        """The frame that the picture shows, 0: of a scan of one."""
        return self.frames[position] if self.frames else 0

    @property
    def numbered(self) -> npt.NDArray[np.int64]:
        """The scan that each picture shows."""
        return np.arange(len(self.labels)) if self.scans is None else self.scans


def pictures_in(members: "QuerySet[SnapshotMember]") -> int:
    """How many pictures a run reads of them: one of each scan, of scans of several frames one for each that is looked at."""
    return sum(max(1, len(frames)) for frames in members.values_list("frames", flat=True).iterator())


def fits_in_memory(snapshot: Snapshot, *, size: int, look: Look = TILES) -> bool:
    """Whether what a run reads of its training and validation scans may stay in memory. Raises sealed.PixelsUnkept where the
    disk has no room for it either."""
    there = SnapshotMember.objects.filter(snapshot=snapshot, image__erased_at__isnull=True)
    count = pictures_in(there.filter(split__in=(Split.TRAIN, Split.VAL)))
    taken = int(np.prod(look.shape_of(count, size), dtype=np.int64))
    if taken <= budget():
        return True
    require_room(taken)
    return False


def load(
    snapshot: Snapshot,
    split: Split,
    *,
    class_ids: Sequence[int],
    done: Callable[[int], None],
    size: int = TILE_SIDE,
    look: Look = TILES,
    in_memory: bool = True,
    processes: Group = ALONE,
) -> Part:
    """The members of one side that still exist, in the snapshot's order, as `look` sees them with `size` pixels a side, made as
    they are read: what a run needs of memory follows from its picture size. `done` is called with the number read so far. Frames on
    which nobody could read anything are left out as when a version answers. The `processes` of a host read a
    part of the scans each, and have all of them.

    Raises TileUnusable, and what writing to a full disk raises."""
    present = SnapshotMember.objects.filter(snapshot=snapshot, split=split, image__erased_at__isnull=True)
    members = list(present.order_by("pk").values_list("image", "label_class", "group", "frames"))
    looked_at = _looked_at([(image, frames) for image, _, _, frames in members], done)
    rows = [(*member[:3], frame) for member, frames in zip(members, looked_at, strict=True) for frame in frames]
    kept, put = _keeper(look.shape_of(len(rows), size), processes, str(split), in_memory=in_memory)
    own = shared.own(processes, len(rows))
    sources = _sources([(rows[position][0], rows[position][3]) for position in own], look)
    with closing(read_ahead(partial(_read, look=look, size=size), sources, waiting=4 * READERS)) as read_ones:
        for position, (image, pixels) in zip(own, read_ones, strict=True):
            put(position, pixels_of(image, look, size, rows[position][3]) if pixels is None else pixels)
            done(position + 1)
    processes.wait()
    index = {class_id: position for position, class_id in enumerate(class_ids)}
    return Part(
        tiles=kept,
        labels=np.array([index[class_id] for _, class_id, _, _ in rows], dtype=np.int64),
        groups=tuple(group for _, _, group, _ in rows),
        images=tuple(image for image, _, _, _ in rows),
        frames=tuple(frame for _, _, _, frame in rows),
        scans=_scans([len(frames) for frames in looked_at]),
    )


def _looked_at(members: Sequence[tuple[int, list[int]]], done: Callable[[int], None]) -> list[Sequence[int]]:
    """Of each scan and its frames, those that take part when a version answers: without the ones on which nobody could read
    anything, so that what is calibrated is the mean that serves. `done` may raise to stop."""
    keys = [(image, frame) for image, frames in members if len(frames) > 1 for frame in frames]
    why: dict[tuple[int, int], Reasons] = {}
    sources = _sources(keys, TILES)
    with closing(read_ahead(partial(_read, look=TILES, size=TILE_SIDE), sources, waiting=4 * READERS)) as read_ones:
        for key, (image, pixels) in zip(keys, read_ones, strict=True):
            why[key] = quality((read(image, key[1]) if pixels is None else pixels)[None])[0]
            done(0)
    return [
        [frames[position] for position in readable([why.get((image, frame), ()) for frame in frames], len(frames))]
        or [0]
        for image, frames in members
    ]


def _scans(counts: Sequence[int]) -> Scans:
    """So many pictures of each scan; None where it is one of each."""
    return np.repeat(np.arange(len(counts)), counts) if any(count > 1 for count in counts) else None


def _keeper(
    shape: tuple[int, ...], processes: Group, name: str, *, in_memory: bool
) -> tuple[Pictures, Callable[[int, Pixels], None]]:
    """Where the pixels of so many scans will be, and what puts those of one there."""
    if in_memory:
        array = shared.array(processes, name, shape)
        return array, array.__setitem__
    sealed = shared.sealed(processes, name, shape)
    return sealed, sealed.put


def _sources(keys: Sequence[tuple[int, int]], look: Look) -> Iterator[tuple[Image, Blob | None]]:
    """Each scan of these keys and frames, with the stored derivative that the look is made of where there is one. All questions to
    the database are asked here, and not by the threads that read."""
    kind = RenditionKind.LEARNING if look.needs_views else RenditionKind.TILE
    for start in range(0, len(keys), CHUNK):
        wanted = keys[start : start + CHUNK]
        images, frames = {image for image, _ in wanted}, {frame for _, frame in wanted}
        scans = Image.objects.select_related("blob").in_bulk(images)
        rows = Rendition.objects.filter(image__in=images, kind=kind, frame__in=frames).select_related("blob")
        stored = {(row.image_id, row.frame): row.blob for row in rows}
        for key in wanted:
            yield scans[key[0]], stored.get(key)


def _read(source: tuple[Image, Blob | None], *, look: Look, size: int) -> tuple[Image, Pixels | None]:
    """What the look makes of a scan; None where its derivative is not there or not as it should be: that is for `pixels_of`,
    which makes it, or marks it and says so."""
    image, blob = source
    try:
        data = _plain(blob) if blob else b""
        if not look.needs_views:
            return image, shrink(np.frombuffer(data, dtype=np.uint8).reshape(1, TILE_SIDE, TILE_SIDE), size)[0]
        return image, reading.pixels_of(LearningView.from_bytes(data), look, size) if data else None
    except Exception:
        # Whatever it is, it happens again, and is told, where the scan is read without haste.
        return image, None


def _plain(blob: Blob) -> bytes:
    """`blobs.read` without a word to the database. Empty for bytes that are not those that were stored."""
    with blobs.open_blob(blob, found=lambda _: None) as stream:
        data = stream.read()
    return data if hashlib.sha256(data).hexdigest() == blob.sha256 else b""


def pixels_of(image: Image, look: Look, size: int, frame: int = 0) -> Pixels:
    """What this look makes of one scan, or of one of its frames, from 1: uint8 (size, size), or (size, size, C). Raises
    TileUnusable."""
    if not look.needs_views:
        return np.asarray(shrink(read(image, frame)[None], size)[0])
    with named(image):
        return reading.pixels_of(view(image, frame), look, size)


def read(image: Image, frame: int = 0) -> npt.NDArray[np.uint8]:
    """One tile, uint8 (256, 256), of the scan or of one of its frames, from 1. Raises TileUnusable."""
    with named(image):
        return tile(image, frame)


@contextmanager
def named(image: Image) -> Iterator[None]:
    """What is raised within names the scan: TileUnusable."""
    try:
        yield
    except reading.NoValues as error:
        raise TileUnusable(
            f"{image.code} cannot be seen through windows. {error.detail} Take the scan out of training and start a new run, or "
            "start one that sees grey or colour."
        ) from error
    except (DamagedObject, DomainError, ValueError) as error:
        reason = error.detail if isinstance(error, DomainError) else "its stored file is damaged."
        raise TileUnusable(
            f"{image.code} cannot be read: {reason} Ask an administrator to run verify_images and restore it, "
            "or take the scan out of training and start a new run."
        ) from error
