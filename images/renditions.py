"""The encrypted derivatives of a scan: thumbnail, view and the tile that models are fed."""

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
from mediscan_site.core.storage import blobs

CONTENT_TYPES = {
    RenditionKind.THUMBNAIL: "image/jpeg",
    RenditionKind.VIEW: "image/png",
    RenditionKind.TILE: "application/octet-stream",
    RenditionKind.LEARNING: "application/octet-stream",
}

_TILES = "stored_tile"


def decode(
    data: bytes,
    *,
    deid: DeidOptions | None = None,
    own: bool = False,
    rendition: bool = True,
    learning: bool = False,
    meanwhile: Callable[[], None] | None = None,
) -> Decoded:
    """Decode in the pool, as `DecoderPool.decode` says. Invalid (attr `file`) says why a file gives no picture."""
    with _explained():
        return default_pool().decode(
            data, deid=deid, own=own, rendition=rendition, learning=learning, meanwhile=meanwhile
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
        raise Invalid(error.detail, code=error.code, attr="file") from error
    except DecoderUnavailableError as error:
        raise Unavailable(
            "Pictures cannot be read at the moment: the server is short of memory. Try again later."
        ) from error


def part(decoded: Decoded, kind: RenditionKind) -> bytes:
    return {
        RenditionKind.THUMBNAIL: decoded.thumbnail,
        RenditionKind.VIEW: decoded.rendition,
        RenditionKind.TILE: decoded.tile,
        RenditionKind.LEARNING: decoded.learning,
    }[kind]


def write(decoded: Decoded, kind: RenditionKind, *, project_id: int) -> Blob:
    """Store one derivative; the row is not saved yet."""
    where = blobs.namespace(project_id)
    return blobs.write(part(decoded, kind), namespace=where, content_type=CONTENT_TYPES[kind], reading=True)


def ensure(image: Image, kind: RenditionKind) -> Blob:
    """The stored derivative, made from the original when it is missing, as the large picture is until somebody looks at it.

    NotFound for an erased scan."""
    existing = _known(image, kind)
    if existing is not None:
        return existing.blob
    if image.blob is None:
        raise NotFound("This scan was erased.")
    own = image.image_format == "DICOM"
    data = blobs.read(image.blob)
    decoded = decode(data, own=own, rendition=kind is RenditionKind.VIEW, learning=kind is RenditionKind.LEARNING)
    blob = write(decoded, kind, project_id=image.project_id)
    try:
        with blobs.discarded_on_failure(blob), transaction.atomic():
            # An erasure holds this row too: no picture of a scan may appear after it.
            if not Image.objects.select_for_update().filter(pk=image.pk, erased_at__isnull=True):
                raise NotFound("This scan was erased.")
            blob.save(force_insert=True)
            Rendition.objects.create(image=image, kind=kind, blob=blob)
    except IntegrityError:
        # Another process made it at the same time.
        return Rendition.objects.select_related("blob").get(image=image, kind=kind).blob
    return blob


def stored_tiles(prefix: str) -> "Prefetch[str]":
    """For the `prefetch_related` of rows that have an image as `prefix`: the tiles of all with one query."""
    rows = Rendition.objects.filter(kind=RenditionKind.TILE).select_related("blob")
    return Prefetch(f"{prefix}__renditions", queryset=rows, to_attr=_TILES)


def _known(image: Image, kind: RenditionKind) -> Rendition | None:
    fetched: list[Rendition] = getattr(image, _TILES, []) if kind is RenditionKind.TILE else []
    return fetched[0] if fetched else Rendition.objects.filter(image=image, kind=kind).select_related("blob").first()


def tile(image: Image) -> npt.NDArray[np.uint8]:
    """What models are fed: uint8 grey, shape (256, 256), read-only. For workers: not audited. Remade when missing."""
    data = blobs.read(ensure(image, RenditionKind.TILE))
    return np.frombuffer(data, dtype=np.uint8).reshape(TILE_SIDE, TILE_SIDE)
