"""Stored objects that no row refers to: a process died between storing and committing, or while erasing.

Beside a wrong or half restored database everything would be an orphan, so a sweep removes only a little by itself."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.files.storage import storages
from django.utils import timezone

from mediscan_site.core import audit, notices
from mediscan_site.core.models import Blob
from mediscan_site.core.storage import own_store
from mediscan_site.core.storage.foreign import ForeignStore

log = logging.getLogger(__name__)

# Longer than any import or training may hold an object without its row.
AGE = timedelta(days=2)
# How many unknown objects a sweep removes without being told to: so many, or so large a share of the store.
FEW, SHARE = 100, 0.01
NOTICE = "store:orphans"


class TooMany(Exception):
    """A sweep would remove more than a small share of the store; the message says what to do."""


@dataclass
class Swept:
    """What a sweep saw. `erased`: bytes of objects whose keys were destroyed, noise already; `unknown`: of no row at all."""

    total: int = 0
    erased: int = 0
    unknown: int = 0


def sweep(*, older_than: timedelta | None = None, force: bool = False) -> Swept:
    """Remove orphans that are not young: the row of a young one may be on its way. TooMany, and nothing removed, for more than a
    small share; ForeignStore when the store is not this database's. `force`: somebody looked, and means it."""
    own_store.require()
    cutoff = timezone.now() - (AGE if older_than is None else older_than)
    found = _counted(cutoff)
    if found.unknown > _limit(found.total) and not force:
        raise TooMany(
            f"{found.unknown} of {found.total} stored objects are known to no row, far more than crashes leave behind. Nothing was "
            "removed. Is this the right database, is it whole? After looking: manage.py sweep_orphans --force"
        )
    if found.erased or found.unknown:
        _remove(cutoff, limit=None if force else _limit(found.total))
        audit.record_alone("store.sweep", details={**vars(found), "forced": force})
    return found


def sweep_and_tell() -> None:
    """As housekeeping: what stops the sweep stands on the dashboard of administrators until a sweep goes through."""
    try:
        found = sweep()
    except (TooMany, ForeignStore) as error:
        log.error("No sweep: %s", error)
        notices.put(NOTICE, str(error))
        return
    notices.take_away(NOTICE)
    if found.erased or found.unknown:
        log.info("Swept %s erased and %s unknown of %s objects", found.erased, found.unknown, found.total)


def _limit(total: int) -> int:
    return max(FEW, int(SHARE * total))


def _counted(cutoff: datetime) -> Swept:
    found = Swept()
    for paths in _folders():
        found.total += len(paths)
        erased, unknown = _orphans(paths, cutoff)
        found.erased += len(erased)
        found.unknown += len(unknown)
    return found


def _remove(cutoff: datetime, *, limit: int | None) -> None:
    """Looks again at each, and stops where more turn up than were counted."""
    storage, unknown_left = storages["blobs"], limit
    for paths in _folders():
        erased, unknown = _orphans(paths, cutoff)
        if unknown_left is not None:
            unknown = unknown[:unknown_left]
            unknown_left -= len(unknown)
        for path in (*erased, *unknown):
            storage.delete(path)


def _folders() -> Iterator[list[str]]:
    """The paths of all objects, a folder at a time."""
    for folder in own_store.shards():
        yield [f"{folder}/{name}" for name in storages["blobs"].listdir(folder)[1]]


def _orphans(paths: list[str], cutoff: datetime) -> tuple[list[str], list[str]]:
    """Those old enough whose key was destroyed, and those of no row."""
    rows = dict(Blob.objects.filter(path__in=paths).values_list("path", "erased_at"))
    keyed = set(Blob.objects.filter(path__in=paths, wrapped_key__isnull=False).values_list("path", flat=True))
    old = [path for path in sorted(set(paths) - keyed) if storages["blobs"].get_modified_time(path) < cutoff]
    return [path for path in old if path in rows], [path for path in old if path not in rows]
