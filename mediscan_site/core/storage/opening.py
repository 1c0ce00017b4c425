"""Stored objects that a person is shown or fetches: opened together with the audit event that tells of it, or not at all."""

from typing import Any, BinaryIO

from django.db import models, transaction

from mediscan_site.core import audit
from mediscan_site.core.models import Blob, User
from mediscan_site.core.storage import blobs


def open_audited(
    blob: Blob, *, action: str, actor: User, obj: models.Model, project: int, details: dict[str, Any] | None = None
) -> tuple[BinaryIO, Blob]:
    """The plaintext as `blobs.open_blob` gives it, once the event `action` about `obj` is written."""
    stream = blobs.open_blob(blob)
    try:
        with transaction.atomic():
            audit.record(action, actor=actor, obj=obj, project=project, details=details)
    except BaseException:
        stream.close()
        raise
    return stream, blob
