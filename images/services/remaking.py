"""Derivatives made from the originals, for many scans: views for learning that are missing, and whatever is damaged.

Whatever ends it, what is stored stays stored, and the next call goes on with what is still missing."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

from django.conf import settings
from django.db import connections
from django.db.models import Exists, OuterRef, QuerySet

from images.models import Image, Project, Rendition, RenditionKind
from images.renditions import made, put
from mediscan_site.core.errors import DomainError, NotFound, Unavailable
from mediscan_site.core.storage.envelope import DamagedObject

Row = TypeVar("Row", Image, Rendition)
_BATCH = 200
_DAMAGED = "The stored file of the scan is damaged. Restore it: manage.py verify_images --restore-from-backup"


@dataclass(frozen=True)
class Remade:
    """One derivative. `error`: why there is none; empty where it is stored."""

    image: Image
    kind: RenditionKind
    frame: int
    error: str = ""


def lacking(project: Project | None = None) -> QuerySet[Image]:
    """The scans without a view for learning."""
    views = Rendition.objects.filter(image=OuterRef("pk"), kind=RenditionKind.LEARNING, frame=0)
    rows = _of(Image.objects.filter(erased_at__isnull=True, blob__isnull=False), project, "project")
    return rows.exclude(Exists(views)).select_related("blob")


def spoiled(project: Project | None = None) -> QuerySet[Rendition]:
    """Derivatives that are refused as damaged."""
    rows = Rendition.objects.filter(blob__quarantined_at__isnull=False, image__blob__isnull=False)
    return _of(rows, project, "image__project").select_related("image__blob")


def remake(project: Project | None = None, limit: int | None = None) -> Iterator[Remade]:
    """Each of `spoiled` made again, then the view of each of `lacking`, until `limit` are stored: decoded by as many children as
    there are, a few ahead of what is stored. Unavailable without a decoder; DomainError or OSError where nothing can be stored."""
    wanted = chain(
        ((row.image, RenditionKind(row.kind), row.frame) for row in _in_batches(spoiled(project))),
        ((image, RenditionKind.LEARNING, 0) for image in _in_batches(lacking(project))),
    )
    ahead, threads = 2 * settings.DECODER_PROCESSES, ThreadPoolExecutor(settings.DECODER_PROCESSES, "remaking")
    waiting: deque[tuple[Image, RenditionKind, int, Future[bytes]]] = deque()
    stored = 0
    try:
        while limit is None or stored < limit:
            # What gives nothing does not count, so no more are begun than may be stored.
            room = ahead if limit is None else min(ahead, limit - stored)
            for image, kind, frame in islice(wanted, room - len(waiting)):
                waiting.append((image, kind, frame, threads.submit(_made, image, kind, frame)))
            if not waiting:
                return
            for done in _stored(*waiting.popleft()):
                stored += not done.error
                yield done
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


def _made(image: Image, kind: RenditionKind, frame: int) -> bytes:
    try:
        return made(image, kind, frame)
    finally:
        # What is damaged is noted in the database, by this thread.
        connections.close_all()


def _stored(image: Image, kind: RenditionKind, frame: int, work: "Future[bytes]") -> Iterable[Remade]:
    """What became of one; nothing for a scan that was erased meanwhile."""
    try:
        data = work.result()
    except Unavailable:
        raise
    except (DomainError, DamagedObject) as error:
        detail = error.detail if isinstance(error, DomainError) else _DAMAGED
        return [] if _is_gone(image) else [Remade(image, kind, frame, detail)]
    try:
        put(image, kind, data, frame)
    except NotFound:
        return []
    return [Remade(image, kind, frame)]


def _is_gone(image: Image) -> bool:
    return not Image.objects.filter(pk=image.pk, erased_at__isnull=True).exists()


def _of(rows: QuerySet[Row], project: Project | None, field: str) -> QuerySet[Row]:
    return rows if project is None else rows.filter(**{field: project})


def _in_batches(rows: QuerySet[Row]) -> Iterator[Row]:
    """By key. No cursor stays open while others are written to, and what was looked at once is not looked at again."""
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:_BATCH]):
        yield from batch
        last = batch[-1].pk
