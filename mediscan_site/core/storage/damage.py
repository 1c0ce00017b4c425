"""Objects that are no longer what was stored: refused from then on, in the audit trail, and told to administrators until they
are mended. Whoever reads an object and meets damage marks it here, as the regular check does."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import ForeignObjectRel, QuerySet
from django.utils import timezone

from mediscan_site.core import audit, notices
from mediscan_site.core.again import patiently
from mediscan_site.core.models import Blob

log = logging.getLogger(__name__)

NOTICE = "objects:damaged"
NAMED = 3
_watchers: list[Callable[[], None]] = []


def watch(tell: Callable[[], None]) -> Callable[[], None]:
    """Have a later app say what the damage means for it; called whenever the set of damaged objects may have changed."""
    if tell not in _watchers:
        _watchers.append(tell)
    return tell


def damaged() -> QuerySet[Blob]:
    """Objects that should be readable and are not."""
    return Blob.objects.filter(quarantined_at__isnull=False, wrapped_key__isnull=False)


def mark(blob: Blob, *, found_by: str) -> bool:
    """Refuse the object from now on. False when that is so already, or when it was erased meanwhile."""
    return patiently(lambda: _change(blob, "object.damaged", {"found_by": found_by}, quarantined_at__isnull=True))


def release(blob: Blob) -> bool:
    """It is again the one that was stored. False when it was not refused."""
    return patiently(lambda: _change(blob, "object.released", {}, quarantined_at__isnull=False))


def met(blob: Blob) -> None:
    """A reader met damage. It gets its error whatever becomes of this."""
    log.error("Stored object %s is damaged", blob.pk)
    try:
        mark(blob, found_by="reading")
    except DatabaseError:
        log.exception("Stored object %s could not be marked as damaged", blob.pk)


def _change(blob: Blob, action: str, details: dict[str, Any], *, quarantined_at__isnull: bool) -> bool:
    """One event for each change, whoever else finds the same at the same time."""
    rows = Blob.objects.filter(pk=blob.pk, wrapped_key__isnull=False, quarantined_at__isnull=quarantined_at__isnull)
    now = timezone.now() if quarantined_at__isnull else None
    with transaction.atomic():
        if not rows.update(quarantined_at=now):
            return False
        audit.record(action, actor=None, obj=blob, details={**details, "owner": owner(blob.pk)})
        tell()
    return True


def tell() -> None:
    """Renew what administrators read, or take it away when nothing is damaged."""
    rows = damaged()
    count = rows.count()
    if count:
        named = ", ".join(owner(pk) for pk in rows.order_by("quarantined_at").values_list("pk", flat=True)[:NAMED])
        notices.put(NOTICE, _sentence(count, named))
    else:
        notices.take_away(NOTICE)
    for tell_more in _watchers:
        tell_more()


def _sentence(count: int, named: str) -> str:
    what = "1 stored object is" if count == 1 else f"{count} stored objects are"
    more = " and others" if count > NAMED else ""
    return (
        f"{what} damaged and refused: {named}{more}. Look at the disk, then run manage.py verify_images "
        "--restore-from-backup. What no backup has whole must be uploaded again."
    )


def owner(blob_id: UUID) -> str:
    """What refers to the object, whichever app it belongs to: `image img000012`, `rendition thumbnail of 12`."""
    # The references have no name on this side (`related_name="+"`), so they count as hidden.
    for relation in Blob._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel):
            row = relation.related_model._default_manager.filter(**{relation.field.name: blob_id}).first()
            if row is not None:
                return f"{relation.related_model._meta.verbose_name} {row}"
    return "nothing (left over)"
