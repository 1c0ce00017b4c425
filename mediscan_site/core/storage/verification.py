"""Looking at stored objects again, because disks forget quietly: all of them on request, a part of them every hour."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from mediscan_site.core import audit, notices
from mediscan_site.core.again import patiently
from mediscan_site.core.backup.objects import restore_one
from mediscan_site.core.errors import Unavailable
from mediscan_site.core.models import Blob
from mediscan_site.core.storage import blobs, damage

log = logging.getLogger(__name__)

AWAY: Final = "objects:away"
BATCH: Final = 200
HOURS: Final = 24
# So many objects are counted for the hour's share; of more an upper bound will do, and the share is looked at the sooner.
COUNTED: Final = 10_000
# The hourly part ends after this long, however much is left: the worker has other things to do.
BUDGET_S: Final = 300.0
# Refused objects are looked at every hour, so that what was put back by hand is served again: so many at once.
REFUSED: Final = 100
_first: list[Callable[[], QuerySet[Blob]]] = []


@dataclass(frozen=True)
class Checked:
    """One object: what refers to it, whether it is damaged, whether it was damaged before and is whole again, and whether
    that is thanks to a backup."""

    blob: Blob
    owner: str
    damaged: bool
    released: bool
    restored: bool = False


def every_hour(objects: Callable[[], QuerySet[Blob]]) -> Callable[[], QuerySet[Blob]]:
    """Have the objects that an app cannot do without looked at each hour. Used as a decorator."""
    if objects not in _first:
        _first.append(objects)
    return objects


def stored_objects() -> QuerySet[Blob]:
    """Everything that should be readable."""
    return Blob.objects.filter(erased_at__isnull=True, wrapped_key__isnull=False)


def verify_all(*, from_backup: bool = False) -> Iterator[Checked]:
    """Read, decrypt and re-hash each object that was stored before now. A damaged one is refused from then on, a restored
    one is served again; with `from_backup` a damaged one is put back from the backups, if they have it whole."""
    for batch in _batches(timezone.now()):
        yield from _looked_at(batch, from_backup=from_backup)
    damage.tell()


def verify_part() -> None:
    """The hour's share, those first whose last look is longest ago, so that VERIFY_DAYS see every object; before them what
    the site cannot do without, and what is refused at the moment."""
    try:
        _look_at_part()
    except Unavailable as error:
        notices.put(AWAY, f"Stored objects could not be looked at. {error}")
    else:
        notices.take_away(AWAY)
    damage.tell()


def _look_at_part() -> None:
    share = -(-_most_there() // (settings.VERIFY_DAYS * HOURS))
    oldest = stored_objects().order_by("checked_at", "id")[:share]
    refused = damage.damaged().order_by("checked_at", "id")[:REFUSED]
    until = time.monotonic() + BUDGET_S
    for batch in chain((list(rows()) for rows in _first), [list(refused)], _cut(list(oldest))):
        for check in _looked_at(batch, until=until):
            if check.damaged:
                log.error("Damaged: %s (object %s)", check.owner, check.blob.pk)


def _most_there() -> int:
    """How many objects there are, at most: many are not counted, their keys lie between the first and the last."""
    counted = stored_objects()[: COUNTED + 1].count()
    if counted <= COUNTED:
        return counted
    keys = Blob.objects.order_by("pk").values_list("pk", flat=True)
    return int(keys.last() or 0) - int(keys.first() or 0) + 1


def _batches(stored_before: datetime) -> Iterator[list[Blob]]:
    """All objects, by key. No cursor stays open while others are written to: SQLite would refuse our own writes."""
    rows, last = stored_objects().filter(created_at__lte=stored_before).order_by("pk"), None
    while batch := list((rows.filter(pk__gt=last) if last else rows)[:BATCH]):
        yield batch
        last = batch[-1].pk


def _cut(rows: list[Blob]) -> Iterator[list[Blob]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _looked_at(batch: list[Blob], *, from_backup: bool = False, until: float = math.inf) -> Iterator[Checked]:
    """Each of the batch, checked, while there is time; then when that was is noted."""
    began, keys = timezone.now(), []
    for blob in batch:
        if time.monotonic() > until:
            break
        yield _check(blob, from_backup=from_backup)
        keys.append(blob.pk)
    if keys:
        patiently(lambda: Blob.objects.filter(pk__in=keys).update(checked_at=began))


def _check(blob: Blob, *, from_backup: bool) -> Checked:
    was_refused, blob.quarantined_at = blob.quarantined_at is not None, None
    if not blobs.is_damaged(blob):
        released = was_refused and damage.release(blob)
        return Checked(blob, damage.owner(blob.pk) if released else "", damaged=False, released=released)
    if not damage.mark(blob, found_by="verification") and not _is_refused(blob):
        # Erased while we were reading.
        return Checked(blob, "", damaged=False, released=False)
    restored = from_backup and _put_back(blob)
    return Checked(blob, damage.owner(blob.pk), damaged=not restored, released=False, restored=restored)


def _is_refused(blob: Blob) -> bool:
    return damage.damaged().filter(pk=blob.pk).exists()


def _put_back(blob: Blob) -> bool:
    """Fetch one object from the backups; True when it is whole now. What it replaces would never be served again."""
    if not restore_one(blob) or blobs.is_damaged(blob):
        return False
    audit.record_alone("object.restore", obj=blob)
    damage.release(blob)
    return True
