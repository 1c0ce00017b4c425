"""What the newest backup has verified: each object that it lists was read back, by it or by one before. A copy that has not changed
since is not read again, except for some shards of them in turn, so that VERIFY_DAYS see every copy."""

import hashlib
import logging
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings

from mediscan_site.core.backup import checking, layout
from mediscan_site.core.backup.layout import BackupError, Entry, Manifest, Stored

log = logging.getLogger(__name__)

SHARDS: Final = tuple(f"{number:02x}" for number in range(256))


@dataclass(frozen=True)
class Earlier:
    """`listed`: a digest of each line that it lists. `signed_ns`: when it was signed, by the clock of the folder's own disk.
    `due`: the shards that are read again now; `next`: where the backup after this one goes on."""

    listed: frozenset[bytes] = frozenset()
    signed_ns: int = 0
    due: frozenset[str] = frozenset()
    next: int = 0

    def vouches(self, root: Path, entry: Entry) -> bool:
        """Whether the copy was verified and has not changed since. One that was found damaged has no time (`objects.whole`)."""
        if layout.shard(entry.id) in self.due or _digest(layout.line(entry).encode("ascii")) not in self.listed:
            return False
        try:
            facts = layout.object_file(root, entry.id).stat()
        except OSError:
            return False
        return facts.st_size == entry.stored.size and 0 < facts.st_mtime_ns <= self.signed_ns


def newest(root: Path, *, trusted: str, now: datetime) -> Earlier:
    """What the newest backup of this site vouches for; nothing where there is none, or none that can be trusted."""
    for folder in layout.folders(root)[-1:]:
        try:
            manifest = checking.manifest_of(folder, trusted=trusted)
            listed = _listed(folder / layout.OBJECTS, manifest.files[layout.OBJECTS])
            signed_ns = (folder / layout.SIGNATURE).stat().st_mtime_ns
        except (BackupError, OSError) as error:
            log.warning("All copies are read again, because %s vouches for none: %s", folder.name, error)
            continue
        return Earlier(listed, signed_ns, *_turn(manifest, now))
    return Earlier()


def _listed(path: Path, stored: Stored) -> frozenset[bytes]:
    """Digests of the lines: some hundred bytes less for each of millions of objects."""
    seen, lines, size = hashlib.sha256(), set(), 0
    with path.open("rb") as file:
        for line in file:
            seen.update(line)
            size += len(line)
            lines.add(_digest(line))
    if Stored(seen.hexdigest(), size) != stored:
        raise BackupError(f"{path.name} is not the file that was signed.")
    return frozenset(lines)


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()


def _turn(manifest: Manifest, now: datetime) -> tuple[frozenset[str], int]:
    """Of the shards what the time since the last backup is of VERIFY_DAYS, at least one; and where the next turn begins."""
    share = (now - manifest.made) / timedelta(days=settings.VERIFY_DAYS)
    count = min(len(SHARDS), max(1, math.ceil(share * len(SHARDS))))
    start = manifest.next_shard % len(SHARDS)
    return frozenset((SHARDS * 2)[start : start + count]), (start + count) % len(SHARDS)
