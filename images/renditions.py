"""The encrypted derivatives of a scan and of its frames: thumbnail, view, pixels; and the tile and view for learning of models."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from django.db import IntegrityError, transaction
from django.db.models import Prefetch

from images.decoding import Decoded, DecoderUnavailableError, Undecodable, default_pool
from images.decoding.deid.options import DeidOptions
from images.decoding.result import TILE_SIDE
from images.models import Image, Rendition, RenditionKind
from mediscan_site.core.errors import Invalid, NotFound, Unavailable
from mediscan_site.core.models import Blob
from mediscan_site.core.storage import blobs, damage

CONTENT_TYPES = {
    RenditionKind.THUMBNAIL: "image/jpeg",
    RenditionKind.VIEW: "image/png",
    RenditionKind.TILE: "application/octet-stream",
    RenditionKind.LEARNING: "application/octet-stream",
    RenditionKind.PIXELS: "application/octet-stream",
}

NO_FRAME = "does_not_exist"
_STORED = "stored_{}"


def decode(
    data: bytes,
    *,
    deid: DeidOptions | None = None,
    own: bool = False,
    rendition: bool = True,
    learning: bool = False,
    frame: int = 0,
    meanwhile: Callable[[], None] | None = None,
) -> Decoded:
    """Decode in the pool, as `DecoderPool.decode` says. Invalid (attr `file`) says why a file gives no picture."""
    with _explained():
        return default_pool().decode(
            data, deid=deid, own=own, rendition=rendition, learning=learning, frame=frame, meanwhile=meanwhile
        )


def identity(data: bytes, *, deid: DeidOptions | None = None) -> dict[str, str | int | None]:
    """Whose picture a DICOM file is and which one, as `DecoderPool.identity` says. Invalid (attr `file`) for one that
    cannot be read."""
    with _explained():
        return default_pool().identity(data, deid=deid)


def split(data: bytes) -> Iterator[bytes]:
    """The frames or pages of a file as files of their own, as `DecoderPool.split` says. Invalid (attr `file`), also midway."""
    with _explained():
        yield from default_pool().split(data)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except Undecodable as error:
        if error.code == NO_FRAME:
            raise NotFound(error.detail, code=NO_FRAME) from error
        raise Invalid(error.detail, code=error.code, attr="file") from error
    except DecoderUnavailableError as error:
        raise Unavailable(
            "Pictures cannot be read at the moment: the server is short of memory. Try again later."
        ) from error


def pixels(data: bytes, *, frame: int = 0) -> bytes:
    """What a viewer shows of a file of our own, as `DecoderPool.pixels` says. Invalid as of `decode`."""
    with _explained():
        return default_pool().pixels(data, frame=frame)


def part(decoded: Decoded, kind: RenditionKind) -> bytes:
    return {
        RenditionKind.THUMBNAIL: decoded.thumbnail,
        RenditionKind.VIEW: decoded.rendition,
        RenditionKind.TILE: decoded.tile,
        RenditionKind.LEARNING: decoded.learning,
    }[kind]


def ensure(image: Image, kind: RenditionKind, frame: int = 0) -> Blob:
    """The stored derivative, made from the original when it is missing, as the large picture is until somebody looks at it.
    `frame`: of this one, from 1; 0: of the scan, as the frame that stands for it.

    NotFound for an erased scan, and `does_not_exist` for a frame that it does not have."""
    frame = _known_frame(image, frame)
    existing = _known(image, kind, frame)
    if existing is not None:
        return existing.blob
    return put(image, kind, made(image, kind, frame), frame)


def made(image: Image, kind: RenditionKind, frame: int = 0) -> bytes:
    """The bytes of a derivative, made from the original and not stored. Needs no database, if `image.blob` is at hand."""
    if image.blob is None:
        raise NotFound("This scan was erased.")
    if kind is RenditionKind.PIXELS:
        return pixels(blobs.read(image.blob), frame=frame)
    own = image.image_format == "DICOM"
    shown, learning = kind is RenditionKind.VIEW, kind is RenditionKind.LEARNING
    return part(decode(blobs.read(image.blob), own=own, rendition=shown, learning=learning, frame=frame), kind)


def write(data: bytes, kind: RenditionKind, *, project_id: int) -> Blob:
    """Store one derivative; the row is not saved yet."""
    where = blobs.namespace(project_id)
    return blobs.write(data, namespace=where, content_type=CONTENT_TYPES[kind], reading=True)


def put(image: Image, kind: RenditionKind, data: bytes, frame: int = 0) -> Blob:
    """Store what `made` gave. Where another process was quicker its object stays, unless that one is damaged."""
    blob = write(data, kind, project_id=image.project_id)
    try:
        with blobs.discarded_on_failure(blob), transaction.atomic():
            # An erasure holds this row too: no picture of a scan may appear after it.
            if not Image.objects.select_for_update().filter(pk=image.pk, erased_at__isnull=True):
                raise NotFound("This scan was erased.")
            _drop_damaged(image, kind, frame)
            blob.save(force_insert=True)
            Rendition.objects.create(image=image, kind=kind, frame=frame, blob=blob)
    except IntegrityError:
        # Another process made it at the same time.
        return Rendition.objects.select_related("blob").get(image=image, kind=kind, frame=frame).blob
    return blob


def _drop_damaged(image: Image, kind: RenditionKind, frame: int) -> None:
    rows = Rendition.objects.filter(image=image, kind=kind, frame=frame, blob__quarantined_at__isnull=False)
    doomed = [row.blob for row in rows.select_related("blob")]
    if doomed:
        rows.delete()
        blobs.erase_on_commit(doomed)
        transaction.on_commit(damage.tell)


def stored(prefix: str, kind: RenditionKind) -> "Prefetch[str]":
    """For the `prefetch_related` of rows that have an image as `prefix` ("": of images): the derivatives of all, those of
    their frames included, with one query."""
    rows = Rendition.objects.filter(kind=kind).select_related("blob")
    return Prefetch(f"{prefix}__renditions".removeprefix("__"), queryset=rows, to_attr=_STORED.format(kind))


def stored_tiles(prefix: str) -> "Prefetch[str]":
    """The tiles, as `stored` fetches them."""
    return stored(prefix, RenditionKind.TILE)


def _known_frame(image: Image, frame: int) -> int:
    if not 0 <= frame <= image.frames_shown:
        raise no_frame(image, frame)
    return 0 if image.frames_shown == 1 else frame


def no_frame(image: Image, frame: int) -> NotFound:
    """The error where the scan has no such frame."""
    return NotFound(f"There is no frame {frame}: the scan has {image.frames_shown}, counted from 1.", code=NO_FRAME)


def _known(image: Image, kind: RenditionKind, frame: int) -> Rendition | None:
    fetched: list[Rendition] = getattr(image, _STORED.format(kind), [])
    known = next((row for row in fetched if row.frame == frame), None)
    return known or Rendition.objects.filter(image=image, kind=kind, frame=frame).select_related("blob").first()


def tile(image: Image, frame: int = 0) -> npt.NDArray[np.uint8]:
    """What models are fed: uint8 grey, shape (256, 256), read-only. For workers: not audited. Remade when missing."""
    data = blobs.read(ensure(image, RenditionKind.TILE, frame))
    return np.frombuffer(data, dtype=np.uint8).reshape(TILE_SIDE, TILE_SIDE)
