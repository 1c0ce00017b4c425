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

from mediscan_site.core.backup import layout
from mediscan_site.core.backup.layout import BackupError, Entry, Stored
from mediscan_site.core.models import Blob

BATCH = 2000


def rows() -> Iterator[Blob]:
    """All objects that the database knows, by id, in batches: no long transaction, no list of millions."""
    blobs_in_order, last = Blob.objects.order_by("pk"), None
    while batch := list((blobs_in_order.filter(pk__gt=last) if last else blobs_in_order)[:BATCH]):
        yield from batch
        last = batch[-1].pk


def present(known: set[UUID], since: datetime) -> tuple[list[Entry], list[str]]:
    """The objects known to a dump that are to be copied; and the ids of all that were destroyed since then, or since the dump."""
    to_copy, erased, missing = [], [], set(known)
    for blob in rows():
        missing.discard(blob.pk)
        if blob.wrapped_key is None:
            if blob.erased_at is None or blob.erased_at >= since:
                erased.append(str(blob.pk))
        elif blob.pk in known:
            to_copy.append(Entry(blob.pk, blob.path, Stored(blob.stored_sha256, blob.stored_size)))
    # A row that is gone altogether had its object destroyed before.
    return to_copy, sorted([*erased, *map(str, missing)])


def is_gone(entry: Entry) -> bool:
    """True when the object was erased meanwhile, so that there is nothing to copy."""
    return not Blob.objects.filter(pk=entry.id, wrapped_key__isnull=False).exists()


def holds(root: Path, entry: Entry, *, read: bool) -> bool:
    """Whether the backup has the object; with `read` every byte is looked at, else its size alone."""
    path = layout.object_file(root, entry.id)
    try:
        return layout.digest(path) == entry.stored if read else path.stat().st_size == entry.stored.size
    except OSError:
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
    if not holds(root, entry, read=True):
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
    if root is None or not holds(root, entry, read=True):
        return False
    put_back(root, entry)
    return True


def prune(root: Path, *, erased: set[str]) -> int:
    """Remove the objects that were erased, and those that neither a kept backup nor a row refers to; returns how many."""
    named = {str(entry.id) for folder in layout.folders(root) for entry in layout.entries(folder / layout.OBJECTS)}
    named |= {str(blob.pk) for blob in rows() if blob.wrapped_key is not None}
    named -= erased
    doomed = [path for path in (root / "objects").glob("*/*") if path.name not in named]
    for path in doomed:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    return len(doomed)
