"""Room on the disks of the site. Below a floor nothing large is stored any more: what is left is for signing in, reading and
the audit trail, which write little. Work that needs room waits for it."""

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages

from mediscan_site.core import notices
from mediscan_site.core.errors import StorageFull

NOTICE: Final = "disk:full"
# The floor where DISK_FLOOR_BYTES names none: so much, or this part of a small disk.
LARGEST_FLOOR: Final = 2**30
PART: Final = 0.05
# What waits for room goes on when there is more than the floor, so that it does not stop again at once.
SPARE: Final = 0.25
# What makes reading possible (the large picture of a scan) may use so much of the floor.
LENT: Final = 0.5
GIB: Final = 2**30


@dataclass(frozen=True)
class Disk:
    """Where the site writes: how much is left to us, and how much must stay."""

    path: Path | str
    free: int
    floor: int


def disks() -> list[Disk]:
    """The disks of DATA_DIR and of the stored objects (none for S3)."""
    storage, folders = storages["blobs"], [str(settings.DATA_DIR)]
    if isinstance(storage, FileSystemStorage):
        folders.append(str(storage.location))
    found = []
    for folder in folders:
        # A folder that is not there yet. Asked before each object that is written, so without a question of its own.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found.append(disk(folder))
    return found


def disk(folder: Path | str) -> Disk:
    """The disk that a folder is on."""
    found = os.statvfs(folder)
    floor = settings.DISK_FLOOR_BYTES
    if floor < 0:
        floor = min(LARGEST_FLOOR, int(found.f_blocks * found.f_frsize * PART))
    return Disk(folder, found.f_bavail * found.f_frsize, floor)


def left() -> int:
    """Bytes that may still be stored, on the fuller disk; negative below the floor."""
    return min((one.free - one.floor for one in disks()), default=0)


def left_in_store() -> int | None:
    """The same where objects are kept; None where nobody can say (an object store)."""
    storage = storages["blobs"]
    if not isinstance(storage, FileSystemStorage):
        return None
    Path(storage.location).mkdir(parents=True, exist_ok=True, mode=0o700)
    found = disk(Path(storage.location))
    return found.free - found.floor


def is_short(coming: int = 0, *, share: float = 1.0) -> bool:
    """Whether `coming` bytes would leave less than this share of a floor."""
    return any(one.free - coming < one.floor * share for one in disks())


def is_tight() -> bool:
    """Whether work that waits for room must go on waiting."""
    return is_short(share=1 + SPARE)


def require(coming: int = 0, *, reading: bool = False) -> None:
    """StorageFull unless so many bytes may be stored. What is stored for `reading` may use a part of the floor."""
    if is_short(coming, share=LENT if reading else 1.0):
        raise StorageFull


def watch() -> None:
    """Tell administrators while a disk of this machine is full; called every minute, on one machine or another."""
    full = [one for one in disks() if one.free < one.floor]
    if full:
        notices.put(notices.here(NOTICE), " ".join(map(_sentence, full)))
    elif any(notice.key == notices.here(NOTICE) for notice in notices.standing()):
        notices.take_away(notices.here(NOTICE))


def _sentence(full: Disk) -> str:
    return (
        f"The disk of {full.path} on {socket.gethostname()} is full: {full.free / GIB:.2f} GiB are left, and "
        f"{full.floor / GIB:.2f} GiB are kept for signing in, reading and the audit trail. Uploads and exports are refused, "
        'imports and trainings wait. Make room (docs/operations.md, "A full disk"); they go on by themselves.'
    )
