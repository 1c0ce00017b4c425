"""The stored objects in a backup: ciphertext as the site stores it, copied once, shared by all backups, checked by digest.

No key is needed to copy, check or put back an object: its SHA-256 as stored shows whether it is the right one.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import storages
from django.db.models import Q

from mediscan_site.core.backup import layout
from mediscan_site.core.backup.layout import BackupError, Entry, Stored
from mediscan_site.core.models import Blob

BATCH = 2000
# Keys in one condition.
ROWS = 500


def rows() -> Iterator[Blob]:
    """All objects that the database knows, by id, in batches: no long transaction, no list of millions."""
    blobs_in_order, last = Blob.objects.order_by("pk"), None
    while batch := list((blobs_in_order.filter(pk__gt=last) if last else blobs_in_order)[:BATCH]):
        yield from batch
        last = batch[-1].pk


def _facts() -> Iterator[tuple[UUID, str, str, int, datetime | None, bool]]:
    """What a backup asks of each row, in the same way; rows themselves cost three times as much."""
    keyed = Blob.objects.order_by("pk").annotate(keyed=Q(wrapped_key__isnull=False))
    facts, last = keyed.values_list("pk", "path", "stored_sha256", "stored_size", "erased_at", "keyed"), None
    while batch := list((facts.filter(pk__gt=last) if last else facts)[:BATCH]):
        yield from batch
        last = batch[-1][0]


def present(known: set[UUID], since: datetime, erased: set[str]) -> Iterator[Entry]:
    """The objects known to a dump that are to be copied, as they are read; `erased` gets the ids of all that were destroyed since
    then, or since the dump, and has them all at the end."""
    missing = set(known)
    for pk, path, sha256, size, erased_at, keyed in _facts():
        missing.discard(pk)
        if not keyed:
            if erased_at is None or erased_at >= since:
                erased.add(str(pk))
        elif pk in known:
            yield Entry(pk, path, Stored(sha256, size))
    # A row that is gone altogether had its object destroyed before.
    erased.update(map(str, missing))


def is_gone(entry: Entry) -> bool:
    """True when the object was erased meanwhile, so that there is nothing to copy."""
    return not Blob.objects.filter(pk=entry.id, wrapped_key__isnull=False).exists()


def holds(root: Path, entry: Entry) -> bool:
    """Whether the backup has a file of that size for the object."""
    try:
        return layout.object_file(root, entry.id).stat().st_size == entry.stored.size
    except OSError:
        return False


def whole(root: Path, entry: Entry) -> bool:
    """Whether the backup has the object, byte for byte. A copy that is damaged loses its time, so that no backup takes it for
    one that was verified, whoever found it."""
    path = layout.object_file(root, entry.id)
    with contextlib.suppress(OSError):
        if layout.digest(path) == entry.stored:
            return True
    with contextlib.suppress(OSError):
        os.utime(path, (0, 0))
    return False


def copy(root: Path, entry: Entry) -> bool:
    """Bring the object from the site's storage into the backup; False when the storage no longer has it."""
    target = layout.object_file(root, entry.id)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = target.with_name(f"{target.name}.part")
    try:
        with storages["blobs"].open(entry.path, "rb") as source:
            if _copied(source, aside) != entry.stored:
                return False
        aside.replace(target)
    except FileNotFoundError:
        return False
    finally:
        aside.unlink(missing_ok=True)
    return True


def _copied(source: Any, target: Path) -> Stored:
    sha256, size = hashlib.sha256(), 0
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        while data := source.read(1 << 20):
            out.write(data)
            sha256.update(data)
            size += len(data)
    return Stored(sha256.hexdigest(), size)


def put_back(root: Path, entry: Entry) -> None:
    """Write the backup's copy into the site's storage, in place of whatever lies there. BackupError without a whole copy."""
    storage = storages["blobs"]
    if not whole(root, entry):
        raise BackupError(f"The backup has no whole copy of object {entry.id}.")
    storage.delete(entry.path)
    with layout.object_file(root, entry.id).open("rb") as source:
        name = storage.save(entry.path, File(source))
    if name != entry.path:
        raise BackupError(
            f"The storage kept object {entry.id} as {name}, not as {entry.path}: something else writes there."
        )


def stored_whole(entry: Entry) -> bool:
    """Whether the site's storage already has the object, byte for byte."""
    sha256, size = hashlib.sha256(), 0
    try:
        with storages["blobs"].open(entry.path, "rb") as source:
            while data := source.read(1 << 20):
                sha256.update(data)
                size += len(data)
    except FileNotFoundError:
        return False
    return Stored(sha256.hexdigest(), size) == entry.stored


def restore_one(blob: Blob) -> bool:
    """Put one damaged object back from the backups; False when none has it whole (or there are no backups)."""
    root = Path(settings.BACKUP_DIR) if settings.BACKUP_DIR else None
    entry = Entry(blob.pk, blob.path, Stored(blob.stored_sha256, blob.stored_size))
    if root is None or not whole(root, entry):
        return False
    put_back(root, entry)
    return True


def prune(root: Path, *, erased: set[str]) -> int:
    """Remove the objects that were erased, and those that neither a kept backup nor a row refers to; returns how many."""
    *older, newest = layout.folders(root)
    listed = set(layout.ids(newest / layout.OBJECTS)) - erased
    unlisted = {path.name: path for path in (root / "objects").glob("*/*") if path.name not in listed}
    # The newest lists nearly all that is there: the long lists of the others are read for the rest alone.
    wanted = unlisted.keys() - erased
    kept = {name for folder in older if wanted for name in layout.ids(folder / layout.OBJECTS) if name in wanted}
    doomed = unlisted.keys() - kept - _known(wanted - kept)
    for name in doomed:
        with contextlib.suppress(FileNotFoundError):
            unlisted[name].unlink()
    return len(doomed)


def _known(names: set[str]) -> set[str]:
    """Those of these files whose object has a row, and a key."""
    found: set[str] = set()
    ids = [name for name in sorted(names) if _is_id(name)]
    for start in range(0, len(ids), ROWS):
        rows_of_some = Blob.objects.filter(pk__in=ids[start : start + ROWS], wrapped_key__isnull=False)
        found.update(map(str, rows_of_some.values_list("pk", flat=True)))
    return found


def _is_id(name: str) -> bool:
    with contextlib.suppress(ValueError):
        return str(UUID(name)) == name
    return False
