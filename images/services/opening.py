"""Scans as people look at them or fetch them: each opening is written down."""

from collections.abc import Collection
from typing import BinaryIO

from images import policies, renditions
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
    *, actor: User, image: Image, kind: RenditionKind | str, held: Collection[str] = ()
) -> tuple[BinaryIO, Blob]:
    """What is shown of a scan (`thumbnail` or `rendition`), without any of the file's metadata; made now when it is missing.
    Audited as an opening.

    `held`: digests of what the caller has already. A list that shows a thumbnail again from there opens nothing."""
    policies.require(actor, policies.VIEW, image.project)
    wanted = RenditionKind(kind)
    blob = renditions.ensure(image, wanted)
    if wanted is RenditionKind.THUMBNAIL and blob.sha256 in held:
        return blobs.open_blob(blob), blob
    return _opened(actor, image, blob, action="scan.open", kind=wanted.value)


def _opened(actor: User, image: Image, blob: Blob, *, action: str, kind: str) -> tuple[BinaryIO, Blob]:
    return open_audited(blob, action=action, actor=actor, obj=image, project=image.project_id, details={"kind": kind})
