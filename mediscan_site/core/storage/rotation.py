"""Changing the master key: file keys are wrapped again, and so is what other apps keep sealed. Rows are touched, files never."""

from pathlib import Path
from typing import Protocol

from mediscan_site.core.errors import Conflict
from mediscan_site.core.models import Blob
from mediscan_site.core.storage.keys import KeyRing

BATCH = 500


class Keeper(Protocol):
    """Rows of another app that are sealed under a master key."""

    name: str

    def reseal(self, ring: KeyRing) -> int:
        """Seal with the primary what another master holds; how many rows. Safe to interrupt and repeat."""

    def needing(self, key_id: str) -> int:
        """How many rows need this master."""


_keepers: list[Keeper] = []


def on_rotation(keeper: Keeper) -> None:
    """Register rows that a rotation has to renew."""
    if keeper not in _keepers:
        _keepers.append(keeper)


def rewrap_all(ring: KeyRing) -> int:
    """Wrap each file key that another master holds with the primary; returns how many. Safe to interrupt and repeat."""
    count = 0
    while batch := list(Blob.objects.exclude(key_id=ring.primary_id).filter(wrapped_key__isnull=False)[:BATCH]):
        count += sum(_rewrap(ring, blob) for blob in batch)
    return count


def reseal_all(ring: KeyRing) -> dict[str, int]:
    """The same for what other apps keep sealed: what it is, and how many rows."""
    return {keeper.name: keeper.reseal(ring) for keeper in _keepers}


def _rewrap(ring: KeyRing, blob: Blob) -> bool:
    object_id = str(blob.pk)
    file_key = ring.unwrap(bytes(blob.wrapped_key or b""), key_id=blob.key_id, object_id=object_id)
    key_id, wrapped = ring.wrap(file_key, object_id=object_id)
    # Only while it is still the key that was read: an erasure in between must win.
    same = Blob.objects.filter(pk=blob.pk, key_id=blob.key_id, wrapped_key__isnull=False)
    return bool(same.update(key_id=key_id, wrapped_key=wrapped))


def retire(key_id: str, *, path: Path) -> KeyRing:
    """Remove an old master from the key file; Conflict while a row needs it."""
    if holds := in_words(key_id):
        raise Conflict(f"Key {key_id} still wraps {holds}. Run rotate_keys --resume first.", code="key_in_use")
    return KeyRing.remove_master(path, key_id)


def in_words(key_id: str) -> str:
    """What a master still wraps; empty for nothing."""
    return " and ".join(f"{count} {name}" for name, count in _needed(key_id).items() if count)


def _needed(key_id: str) -> dict[str, int]:
    counts = {"file keys": Blob.objects.filter(key_id=key_id, wrapped_key__isnull=False).count()}
    return counts | {keeper.name: keeper.needing(key_id) for keeper in _keepers}
