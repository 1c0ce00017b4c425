"""Stored objects that no row refers to: a process died between storing and committing, or while erasing.

Beside a wrong or half restored database everything would be an orphan, so a sweep counts all of them before it removes the first
one, and removes only a little by itself. Housekeeping goes through the store in slices and remembers how far it has come; the
command does all of it at once."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final

from django.core.files.storage import storages
from django.db.models import Q
from django.utils import timezone

from mediscan_site.core import audit, notices
from mediscan_site.core.models import Blob, Bookmark
from mediscan_site.core.storage import own_store
from mediscan_site.core.storage.foreign import ForeignStore

log = logging.getLogger(__name__)

# Longer than any import or training may hold an object without its row.
AGE = timedelta(days=2)
# How many unknown objects a sweep removes without being told to: so many, or so large a share of the store.
FEW, SHARE = 100, 0.01
NOTICE = "store:orphans"
# A run of housekeeping ends with the folder that brings it to so many objects.
SLICE: Final = 100_000
# A sweep begins a day after the last one began, or when that has ended.
EVERY: Final = timedelta(days=1)
# Paths in one condition.
BATCH: Final = 500


class TooMany(Exception):
    """A sweep would remove more than a small share of the store; the message says what to do."""


@dataclass
class Swept:
    """What a sweep saw. `erased`: bytes of objects whose keys were destroyed, noise already; `unknown`: of no row at all."""

    total: int = 0
    erased: int = 0
    unknown: int = 0

    @property
    def limit(self) -> int:
        return max(FEW, int(SHARE * self.total))

    def require_few(self) -> None:
        if self.unknown > self.limit:
            raise TooMany(
                f"{self.unknown} of {self.total} stored objects are known to no row, far more than crashes leave behind. Nothing "
                "was removed. Is this the right database, is it whole? After looking: manage.py sweep_orphans --force"
            )


@dataclass
class _Round(Swept):
    """How far housekeeping is, and what it has counted. `began`: when, in seconds since 1970; `place`: the next folder, in their
    order; `removing`: all are counted, and it goes through them again, to remove at most those `unknown` that are left."""

    began: int = 0
    place: int = 0
    removing: int = 0

    @classmethod
    def kept(cls) -> "_Round":
        names = {f"orphans-{field.name}": field.name for field in fields(cls)}
        rows = Bookmark.objects.filter(name__in=names).values_list("name", "seq")
        return cls(**{names[name]: seq for name, seq in rows})

    def keep(self) -> None:
        for field in fields(self):
            seq = getattr(self, field.name)
            Bookmark.objects.update_or_create(name=f"orphans-{field.name}", defaults={"seq": seq})


def sweep(*, older_than: timedelta | None = None, force: bool = False) -> Swept:
    """Remove orphans that are not young: the row of a young one may be on its way. TooMany, and nothing removed, for more than a
    small share; ForeignStore when the store is not this database's. `force`: somebody looked, and means it."""
    own_store.require()
    cutoff = timezone.now() - (AGE if older_than is None else older_than)
    found = Swept()
    for folder in own_store.shards():
        _count(folder, cutoff, found)
    if not force:
        found.require_few()
    if found.erased or found.unknown:
        left = None if force else found.unknown
        for folder in own_store.shards():
            gone = _remove(folder, cutoff, left)
            left = None if left is None else left - gone.unknown
        _tell(found, forced=force)
    return found


def due() -> bool:
    """Whether a sweep has begun and not ended, or another one is to begin."""
    now = _Round.kept()
    return bool(now.place or now.removing) or timezone.now().timestamp() - now.began >= EVERY.total_seconds()


def sweep_slice() -> None:
    """As housekeeping: the next slice of a sweep. What stops it stands on the dashboard of administrators until all objects were
    counted and are as they should be."""
    now = _Round.kept()
    try:
        own_store.require()
        _go_on(now)
    except (TooMany, ForeignStore) as error:
        log.error("No sweep: %s", error)
        notices.put(NOTICE, str(error))
        # All over again, a day from now.
        now = _Round(began=_seconds())
    now.keep()


def _go_on(now: _Round) -> None:
    """As many folders as are a slice; through the store once to count, and again if there is anything to remove."""
    folders, cutoff, seen = sorted(own_store.shards()), timezone.now() - AGE, 0
    if not (now.place or now.removing):
        now.began = _seconds()
    while seen < SLICE:
        if now.place >= len(folders):
            if not _through(now):
                return
            continue
        folder = folders[now.place]
        seen += _removed(now, folder, cutoff) if now.removing else _count(folder, cutoff, now)
        now.place += 1


def _through(now: _Round) -> bool:
    """At the end of the store: whether it is gone through again, to remove what was counted. TooMany instead of that."""
    again = not now.removing and bool(now.erased or now.unknown)
    if not now.removing:
        now.require_few()
        notices.take_away(NOTICE)
    now.place, now.removing = 0, int(again)
    if not again:
        now.total = now.erased = now.unknown = 0
    return again


def _removed(now: _Round, folder: str, cutoff: datetime) -> int:
    gone = _remove(folder, cutoff, now.unknown)
    now.unknown -= gone.unknown
    if gone.erased or gone.unknown:
        log.info("Swept %s erased and %s unknown of %s objects", gone.erased, gone.unknown, gone.total)
        _tell(gone, forced=False)
    return gone.total


def _tell(found: Swept, *, forced: bool) -> None:
    audit.record_alone("store.sweep", details={**vars(found), "forced": forced})


def _seconds() -> int:
    return int(timezone.now().timestamp())


def _count(folder: str, cutoff: datetime, found: Swept) -> int:
    """Add what is in the folder; returns how many objects that are."""
    paths = _paths(folder)
    erased, unknown = _orphans(paths, cutoff)
    found.total += len(paths)
    found.erased += len(erased)
    found.unknown += len(unknown)
    return len(paths)


def _remove(folder: str, cutoff: datetime, limit: int | None) -> Swept:
    """Looks again at each, and stops where more turn up than were counted."""
    paths = _paths(folder)
    erased, unknown = _orphans(paths, cutoff)
    if limit is not None:
        unknown = unknown[:limit]
    for path in (*erased, *unknown):
        storages["blobs"].delete(path)
    return Swept(len(paths), len(erased), len(unknown))


def _paths(folder: str) -> list[str]:
    return sorted(f"{folder}/{name}" for name in storages["blobs"].listdir(folder)[1])


def _orphans(paths: list[str], cutoff: datetime) -> tuple[list[str], list[str]]:
    """Those old enough whose key was destroyed, and those of no row."""
    erased: list[str] = []
    unknown: list[str] = []
    for path, has_row in _without_key(paths):
        # One that is being erased is gone by now.
        with contextlib.suppress(FileNotFoundError):
            if storages["blobs"].get_modified_time(path) < cutoff:
                (erased if has_row else unknown).append(path)
    return erased, unknown


def _without_key(paths: list[str]) -> Iterator[tuple[str, bool]]:
    """Those that nobody can read any more, and whether they have a row."""
    for start in range(0, len(paths), BATCH):
        some = paths[start : start + BATCH]
        rows = Blob.objects.filter(path__in=some)
        keyed = dict(rows.annotate(keyed=Q(wrapped_key__isnull=False)).values_list("path", "keyed"))
        yield from ((path, path in keyed) for path in some if not keyed.get(path))
