"""The ZIP of an import: one object, or the pieces of a resumable upload, which are read in place and never copied."""

from collections.abc import Sequence
from typing import BinaryIO

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from labeling.imports.archive import Limits
from labeling.imports.joined import joined
from labeling.models import Import, UploadPart
from mediscan_site.core import tidy
from mediscan_site.core.models import ENDED, Blob
from mediscan_site.core.storage import blobs


def open_pieces(pieces: Sequence[Blob]) -> BinaryIO:
    """Seekable; only the piece being read is open."""
    return joined([blob.size for blob in pieces], lambda number: blobs.open_blob(pieces[number]))


def pieces_of(**upload: object) -> list[Blob]:
    """The objects of an upload's pieces, in order."""
    parts = UploadPart.objects.filter(**{f"upload__{name}": value for name, value in upload.items()})
    return [part.blob for part in parts.select_related("blob").order_by("offset")]


def open_zip(batch: Import) -> BinaryIO | None:
    """None when the ZIP was destroyed."""
    if batch.blob is not None:
        return blobs.open_blob(batch.blob)
    pieces = pieces_of(batch=batch.pk)
    return open_pieces(pieces) if pieces else None


def destroy(batch: Import) -> None:
    """Destroy the ZIP with the current transaction. The import's own column is the caller's."""
    pieces = pieces_of(batch=batch.pk)
    UploadPart.objects.filter(upload__batch=batch.pk).delete()
    blobs.erase_on_commit([batch.blob, *pieces] if batch.blob is not None else pieces)


@tidy.register
def destroy_left_behind() -> None:
    """Destroy the ZIPs of imports that ended without their worker (it was lost, or they were cancelled in the queue)."""
    ended = Import.objects.filter(status__in=ENDED)
    uploaded = UploadPart.objects.filter(upload__batch__status__in=ENDED).values("upload__batch")
    for batch in ended.filter(Q(blob__isnull=False) | Q(pk__in=uploaded)).select_related("blob"):
        with transaction.atomic():
            Import.objects.filter(pk=batch.pk).update(blob=None)
            destroy(batch)


def limits() -> Limits:
    return Limits(entry_bytes=settings.MAX_SCAN_BYTES, total_bytes=4 * settings.MAX_IMPORT_BYTES)
