"""Looking at every stored object again, because disks forget quietly."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import ForeignObjectRel, QuerySet

from mediscan_site.core import audit
from mediscan_site.core.backup.objects import restore_one
from mediscan_site.core.models import Blob
from mediscan_site.core.storage import blobs


@dataclass(frozen=True)
class Checked:
    """One object: what refers to it, whether it is damaged, whether it was damaged before and is whole again, and whether
    that is thanks to a backup."""

    blob: Blob
    owner: str
    damaged: bool
    released: bool
    restored: bool = False


def stored_objects() -> QuerySet[Blob]:
    """Everything that should be readable, oldest first."""
    return Blob.objects.filter(erased_at__isnull=True, wrapped_key__isnull=False).order_by("created_at", "id")


def verify_objects(found: QuerySet[Blob], *, from_backup: bool = False) -> Iterator[Checked]:
    """Read, decrypt and re-hash each object. A damaged one goes into quarantine, a restored one comes out of it; with
    `from_backup` a damaged one is first put back from the backups, if they have it whole."""
    for blob in found.iterator(chunk_size=200):
        was_quarantined, blob.quarantined_at = blob.quarantined_at is not None, None
        damaged = blobs.is_damaged(blob)
        restored = damaged and from_backup and _put_back(blob)
        damaged = damaged and not restored
        if damaged:
            blobs.quarantine(blob)
        elif was_quarantined:
            blobs.release(blob)
        noteworthy = damaged or was_quarantined or restored
        yield Checked(blob, owner(blob) if noteworthy else "", damaged, was_quarantined and not damaged, restored)


def _put_back(blob: Blob) -> bool:
    """Fetch one object from the backups; True when it is whole now. What it replaces would never be served again."""
    if not restore_one(blob) or blobs.is_damaged(blob):
        return False
    with transaction.atomic():
        audit.record("object.restore", actor=None, obj=blob)
    return True


def owner(blob: Blob) -> str:
    """What refers to the object, whichever app it belongs to: `image img000012`, `rendition thumbnail of 12`."""
    # The references have no name on this side (`related_name="+"`), so they count as hidden.
    for relation in Blob._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel):
            row = relation.related_model._default_manager.filter(**{relation.field.name: blob}).first()
            if row is not None:
                return f"{relation.related_model._meta.verbose_name} {row}"
    return "nothing (left over)"
