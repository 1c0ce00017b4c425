"""A large ZIP that comes in pieces: a lost connection costs one piece. Each piece is encrypted as it arrives; the last one
starts an import, which reads the pieces where they are and destroys them at the end."""

import hashlib
from datetime import timedelta
from typing import BinaryIO, NoReturn

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q, QuerySet, Sum
from django.utils import timezone

from images.models import Project
from labeling.imports import dialects
from labeling.imports.services import parse_finding, queue_import, require_import, require_zip
from labeling.imports.zipfiles import open_pieces, pieces_of
from labeling.models import Import, ResumableUpload, UploadPart
from labeling.policies import visible_uploads
from mediscan_site.core import audit, shares, text, tidy
from mediscan_site.core.errors import Conflict, Invalid, NotFound, StorageFull, TooLarge, TooMany
from mediscan_site.core.http.digest import require_equal, sha256_hex
from mediscan_site.core.models import ENDED, Blob, User
from mediscan_site.core.storage import blobs, room
from mediscan_site.core.storage.envelope import DamagedObject

# What a client is asked to send at once; any other size is accepted too, as long as there are not too many pieces.
PART_SIZE = 8 * 2**20
MAX_PARTS = 10_000
# An upload that got no new piece for this long is destroyed.
KEPT = timedelta(hours=24)
PART_TYPE = "application/octet-stream"
RETRY_AFTER_S = 300
GONE = "This upload was cancelled or has expired. Start it again."


class _Raced(Exception):
    """Another request has finished the upload."""


def start_upload(
    *,
    actor: User,
    project: Project,
    file_name: str,
    size: int,
    sha256: str = "",
    split_frames: bool = False,
    dialect: str = dialects.AUTO,
    finding: str = "",
    preview: bool = False,
) -> ResumableUpload:
    """Announce a ZIP of `size` bytes. `sha256` (hex), when given, is checked once all of it is there. With `preview` it then
    waits: `previews` tells what is understood, and starts the import."""
    require_import(actor, project)
    if size > settings.MAX_IMPORT_BYTES:
        raise TooLarge(f"The ZIP is larger than {settings.MAX_IMPORT_BYTES} bytes. Split it.", attr="size")
    if size < 1:
        raise Invalid("size must be the number of bytes of the ZIP, at least 1.", attr="size")
    room.require(size)
    upload = ResumableUpload(
        project=project,
        created_by=actor,
        file_name=text.file_name(file_name),
        size=size,
        sha256=sha256_hex(sha256, what="sha256", attr="sha256") if sha256 else "",
        split_frames=split_frames,
        dialect=dialect,
        finding=parse_finding(project, finding),
        preview=preview,
    )
    with transaction.atomic():
        require_share(actor, size)
        upload.save(force_insert=True)
        audit.record("upload.start", actor=actor, obj=upload, project=project.pk, details={"bytes": size})
    return upload


def require_share(actor: User, size: int) -> None:
    """TooMany when this person has enough announced; Unavailable when the disk has no room for all that everybody has."""
    shares.hold(actor.pk)
    incomplete = ResumableUpload.objects.filter(batch__isnull=True)
    coming = Sum(F("size") - F("received"))
    mine = incomplete.filter(created_by=actor).aggregate(number=Count("pk"), left=coming)
    if mine["number"] >= settings.MAX_OPEN_UPLOADS or (mine["left"] or 0) + size > settings.MAX_ANNOUNCED_BYTES:
        raise TooMany(
            f"You have {mine['number']} uploads that are not complete, with {mine['left'] or 0} bytes to come. One person may "
            f"have {settings.MAX_OPEN_UPLOADS}, and {settings.MAX_ANNOUNCED_BYTES} bytes. Complete or cancel some of them first.",
            code="too_many_uploads",
            retry_after=RETRY_AFTER_S,
        )
    left = room.left_in_store()
    if left is not None and (incomplete.aggregate(left=coming)["left"] or 0) + size > left:
        raise StorageFull


def receive_part(
    *, actor: User, upload: ResumableUpload, first: int, last: int, source: BinaryIO, sha256: str = ""
) -> Import | None:
    """Keep the bytes `first` to `last` (counted from 0, both included). The import, once the ZIP is whole.

    The next piece begins where the last one ended: else Conflict `wrong_offset`. A piece that has already arrived is not an error.
    """
    require_own(actor, upload)
    if upload.batch is not None:
        return upload.batch
    if not 0 <= first <= last < upload.size:
        raise Invalid(f"Name bytes from 0 to {upload.size - 1}.", code="invalid_range")
    if first == upload.received:
        _keep(upload, first, last, source, sha256)
    else:
        size, digest = _measured(source)
        _require_equal_part(upload, first, size=size, digest=digest)
    return _finish(upload) if last + 1 == upload.size else None


def start_held(
    *,
    actor: User,
    upload: ResumableUpload,
    dialect: str | None,
    split_frames: bool | None,
    finding: str | None = None,
) -> Import:
    """The import of a ZIP that is here and waits. None: as it was announced."""
    require_own(actor, upload)
    if upload.batch is not None:
        return upload.batch
    if upload.received < upload.size:
        detail = f"{upload.received} of {upload.size} bytes have arrived. Send the rest first."
        raise Conflict(detail, code="upload_incomplete")
    upload.dialect = upload.dialect if dialect is None else dialect
    upload.finding = upload.finding if finding is None else parse_finding(upload.project, finding)
    upload.split_frames = upload.split_frames if split_frames is None else split_frames
    return _queued(upload)


def give_up_upload(*, actor: User, upload: ResumableUpload) -> None:
    """Destroy what has arrived. Conflict while an import reads it."""
    require_own(actor, upload)
    with transaction.atomic():
        if not _destroy(upload):
            raise Conflict("The upload is complete and its import is running.")
        audit.record("upload.give_up", actor=actor, obj=upload, project=upload.project_id)


@tidy.register
def destroy_abandoned() -> None:
    """Destroy uploads that got no new piece for 24 hours, and forget those that became imports."""
    for upload in _unread().filter(updated_at__lt=timezone.now() - KEPT):
        _destroy(upload)


def _unread() -> QuerySet[ResumableUpload]:
    """Uploads whose pieces no import needs."""
    return ResumableUpload.objects.filter(Q(batch__isnull=True) | Q(batch__status__in=ENDED))


def require_own(actor: User, upload: ResumableUpload) -> None:
    if not visible_uploads(actor).filter(pk=upload.pk).exists():
        raise NotFound(GONE)
    require_import(actor, upload.project)


def _keep(upload: ResumableUpload, first: int, last: int, source: BinaryIO, sha256: str) -> None:
    """Store the piece and move the end of the upload on, unless another request has done so meanwhile."""
    if upload.parts.count() >= MAX_PARTS:
        detail = f"An upload may have {MAX_PARTS} pieces. Cancel this one and send pieces of {PART_SIZE} bytes."
        raise Conflict(detail, code="too_many_parts")
    blob = blobs.write(source, namespace=blobs.namespace(upload.project_id), content_type=PART_TYPE)
    with blobs.discarded_on_failure(blob):
        if blob.size != last + 1 - first:
            detail = f"{blob.size} of {last + 1 - first} bytes arrived. Send this piece again."
            raise Invalid(detail, code="incomplete")
        require_equal(said=sha256, found=blob.sha256)
        if _add(upload, first, last, blob):
            return
    blobs.discard(blob)
    _require_equal_part(upload, first, size=blob.size, digest=blob.sha256)


def _add(upload: ResumableUpload, first: int, last: int, blob: Blob) -> bool:
    """False when another request has put a piece here first, or the upload is gone."""
    here = ResumableUpload.objects.filter(pk=upload.pk, received=first, batch__isnull=True)
    try:
        with transaction.atomic():
            # The update comes first: it makes racing requests, and a cancellation, wait for each other on this row.
            if not here.update(received=last + 1, updated_at=timezone.now()):
                return False
            blob.save(force_insert=True)
            UploadPart.objects.create(upload=upload, offset=first, blob=blob)
    except IntegrityError:
        return False
    return True


def _measured(source: BinaryIO) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    while data := source.read(1 << 20):
        size += len(data)
        digest.update(data)
    return size, digest.hexdigest()


def _require_equal_part(upload: ResumableUpload, first: int, *, size: int, digest: str) -> None:
    """Conflict unless exactly this piece is here."""
    current = ResumableUpload.objects.filter(pk=upload.pk).first()
    if current is None:
        raise NotFound(GONE)
    part = UploadPart.objects.filter(upload=upload, offset=first).select_related("blob").first()
    if current.batch_id is None and (part is None or (part.blob.size, part.blob.sha256) != (size, digest)):
        detail = f"The next piece must begin at byte {current.received}. Look at the upload and continue from there."
        raise Conflict(detail, code="wrong_offset")


def _finish(upload: ResumableUpload) -> Import | None:
    """The import of all pieces; none yet where somebody wants to look first. What is not a ZIP, or not the one that was
    announced, is destroyed."""
    require_import(upload.created_by, upload.project)
    try:
        with open_pieces(pieces_of(pk=upload.pk)) as source:
            if upload.sha256:
                require_equal(said=upload.sha256, found=_measured(source)[1], attr="sha256")
            require_zip(source)
    except (Invalid, DamagedObject):
        # Of two requests that finish the same upload, the slower one may find the pieces gone.
        if (winner := _batch_of(upload)) is not None:
            return winner
        _destroy(upload)
        raise
    return None if upload.preview else _queued(upload)


def _queued(upload: ResumableUpload) -> Import:
    """The import, saved together with the upload that became it: only one of two requests does so."""
    batch = Import(
        project=upload.project,
        created_by=upload.created_by,
        file_name=upload.file_name,
        split_frames=upload.split_frames,
        dialect=upload.dialect,
        finding=upload.finding,
    )
    waiting = ResumableUpload.objects.filter(pk=upload.pk, batch__isnull=True)
    try:
        with transaction.atomic():
            queue_import(batch, size=upload.size)
            if not waiting.update(batch=batch, updated_at=timezone.now()):
                raise _Raced
    except _Raced:
        batch = _batch_of(upload) or _gone()
    return batch


def _batch_of(upload: ResumableUpload) -> Import | None:
    current = ResumableUpload.objects.filter(pk=upload.pk).select_related("batch").first()
    return current.batch if current else None


def _gone() -> NoReturn:
    raise NotFound(GONE)


def _destroy(upload: ResumableUpload) -> bool:
    """False when an import is reading it."""
    with transaction.atomic():
        # Waits for a piece that is being added right now, and keeps further ones out.
        if not _unread().filter(pk=upload.pk).update(updated_at=timezone.now()):
            return False
        doomed = pieces_of(pk=upload.pk)
        ResumableUpload.objects.filter(pk=upload.pk).delete()
        blobs.erase_on_commit(doomed)
    return True
