"""Scans as people look at them or fetch them: each opening is written down."""

from datetime import timedelta
from typing import Any, BinaryIO, Final

from django.utils import timezone

from images import policies, renditions
from images.decoding.viewing import unpacked
from images.models import Image, Metadata, RenditionKind
from mediscan_site.core.errors import NotFound
from mediscan_site.core.models import AuditEvent, Blob, User
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.opening import open_audited

# For so long more of a scan belongs to the opening that was written down.
OPEN_FOR: Final = timedelta(hours=1)


def open_original(*, actor: User, image: Image) -> tuple[BinaryIO, Blob]:
    """The file as it is stored. Audited as a download."""
    policies.require(actor, policies.VIEW, image.project)
    if image.blob is None:
        raise NotFound("This scan was erased.")
    return _opened(actor, image, image.blob, action="scan.download", kind="original")


def open_rendition(
    *, actor: User, image: Image, kind: RenditionKind | str, frame: int | None = None, is_same: bool = False
) -> tuple[BinaryIO, Blob]:
    """What is shown of a scan (`thumbnail` or `rendition`), or of one of its frames, from 1, without any of the file's metadata;
    made now when it is missing. NotFound for a frame that it does not have.

    Audited as an opening, but for thumbnails, which lists are full of, and what is part of the `same` opening."""
    policies.require(actor, policies.VIEW, image.project)
    wanted = RenditionKind(kind)
    if frame is not None and frame < 1:
        raise renditions.no_frame(image, frame)
    blob = renditions.ensure(image, wanted, frame or 0)
    if wanted is RenditionKind.THUMBNAIL or (is_same and _is_open(actor, image)):
        return blobs.open_blob(blob), blob
    return _opened(actor, image, blob, action="scan.open", kind=wanted.value, frame=frame or 0)


def open_pixels(*, actor: User, image: Image, frame: int = 0, is_same: bool = False) -> tuple[dict[str, Any], bytes]:
    """The scan's own pixels at full size: what they are (see `decoding.render`), and the packed bytes; made now when they are
    missing. Audited as an opening, but for what is part of the `same` one: its other frames, and more of its picture."""
    stream, _ = open_rendition(
        actor=actor, image=image, kind=RenditionKind.PIXELS, frame=frame or None, is_same=is_same
    )
    with stream:
        facts, body = unpacked(stream.read())
    return facts | {"spacing": _spacing(image, facts)}, body


def _spacing(image: Image, facts: dict[str, Any]) -> dict[str, Any] | None:
    """What people may have corrected counts before what the file says; that alone knows pixels that are not square."""
    said = Metadata.objects.filter(image=image).first()
    of_file: dict[str, Any] | None = facts["spacing"]
    if said is None or said.pixel_spacing is None:
        return of_file
    if of_file and said.pixel_spacing == of_file["row"] and said.pixel_spacing_at == of_file["at"]:
        return of_file
    return {"source": "", "row": said.pixel_spacing, "column": said.pixel_spacing, "at": said.pixel_spacing_at}


def _is_open(actor: User, image: Image) -> bool:
    """Whether the trail has that this person opened the scan just now."""
    events = AuditEvent.objects.filter(object_type="image", object_id=str(image.pk), action="scan.open", actor=actor)
    return events.filter(at__gte=timezone.now() - OPEN_FOR).exists()


def open_view(*, actor: User, image: Image, frame: int = 0) -> tuple[dict[str, Any], bytes]:
    """The view for learning: what its pixels stand for (slope, intercept, window; see `images.learning`), and they as PNG; made
    now when it is missing. Audited as an opening."""
    policies.require(actor, policies.VIEW, image.project)
    blob = renditions.ensure(image, RenditionKind.LEARNING, frame)
    stream, _ = _opened(actor, image, blob, action="scan.open", kind=RenditionKind.LEARNING.value, frame=frame)
    with stream:
        return unpacked(stream.read())


def _opened(actor: User, image: Image, blob: Blob, *, action: str, kind: str, frame: int = 0) -> tuple[BinaryIO, Blob]:
    details = {"kind": kind} | ({"frame": frame} if frame else {})
    return open_audited(blob, action=action, actor=actor, obj=image, project=image.project_id, details=details)
