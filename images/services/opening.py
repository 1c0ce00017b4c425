"""Scans as people look at them or fetch them: each opening is written down."""

from collections.abc import Collection
from typing import Any, BinaryIO

from images import policies, renditions
from images.decoding.viewing import unpacked
from images.models import Image, RenditionKind
from mediscan_site.core.errors import NotFound
from mediscan_site.core.models import Blob, User
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.opening import open_audited


def open_original(*, actor: User, image: Image) -> tuple[BinaryIO, Blob]:
    """The file as it is stored. Audited as a download."""
    policies.require(actor, policies.VIEW, image.project)
    if image.blob is None:
        raise NotFound("This scan was erased.")
    return _opened(actor, image, image.blob, action="scan.download", kind="original")


def open_rendition(
    *, actor: User, image: Image, kind: RenditionKind | str, frame: int | None = None, held: Collection[str] = ()
) -> tuple[BinaryIO, Blob]:
    """What is shown of a scan (`thumbnail` or `rendition`), or of one of its frames, from 1, without any of the file's metadata;
    made now when it is missing. Audited as an opening. NotFound for a frame that it does not have.

    `held`: digests of what the caller has already. A list that shows a thumbnail again from there opens nothing."""
    policies.require(actor, policies.VIEW, image.project)
    wanted = RenditionKind(kind)
    if frame is not None and frame < 1:
        raise renditions.no_frame(image, frame)
    blob = renditions.ensure(image, wanted, frame or 0)
    if wanted is RenditionKind.THUMBNAIL and blob.sha256 in held:
        return blobs.open_blob(blob), blob
    return _opened(actor, image, blob, action="scan.open", kind=wanted.value, frame=frame or 0)


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
