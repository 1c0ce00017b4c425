"""What is where below BACKUP_DIR.

::

    withdrawn.jsonl              ids of what was erased or withdrawn, so that no restore brings it back (`journal`)
    signer                       public key (hex) of the site that the folder belongs to
    objects/ab/<object id>       a stored object as the site stores it: ciphertext, never changed, shared by all backups
    20261122T010000Z-daily/      one backup
        database.age             the database, encrypted to the age recipients
        keys.age                 the keys file, encrypted to the same
        objects.csv              one line per object: id, path in the storage, SHA-256 and size as stored
        manifest.json            what the backup holds, with the digests of the three files above
        manifest.sig             Ed25519 signature of manifest.json

A folder under another name (`.part-…`) is a backup that was never finished.
"""

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

FORMAT: Final = 1
DATABASE: Final = "database.age"
KEYS: Final = "keys.age"
OBJECTS: Final = "objects.csv"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
PARTIAL: Final = ".part-"
STAMP: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z-(daily|weekly|manual)(-[0-9]+)?", re.ASCII)
_PATH: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*/[0-9a-f]{1,2}/[0-9a-f-]{36}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
LARGEST_MANIFEST: Final = 256 * 2**20


class BackupError(Exception):
    """Nothing was made, or nothing was changed. The message says why and what to do."""


@dataclass(frozen=True)
class Stored:
    """A file as it lies on the disk."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Entry:
    """One stored object of a backup."""

    id: UUID
    path: str
    stored: Stored


@dataclass(frozen=True)
class Manifest:
    """`rows`: per table. `audit`: sequence number and hash of the last seal. `erased`: ids of objects that were destroyed
    on purpose, in this backup and in every older one that is kept. `damaged`: ids that could not be copied whole.
    `next_shard`: the shard of objects at which the next backup begins to read copies again (`earlier`)."""

    name: str
    kind: str
    made_at: str
    engine: str
    migrations: dict[str, list[str]]
    rows: dict[str, int]
    audit: tuple[int, str]
    objects: int
    objects_size: int
    files: dict[str, Stored]
    plain_database: Stored
    signer: str
    erased: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    next_shard: int = 0
    format: int = FORMAT

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode() + b"\n"

    @property
    def made(self) -> datetime:
        return datetime.fromisoformat(self.made_at)

    @property
    def size(self) -> int:
        """Bytes of the whole backup, its share of the objects counted in full."""
        return self.objects_size + sum(item.size for item in self.files.values())


def parse(data: bytes) -> Manifest:
    """The manifest in these bytes (whose signature was checked). BackupError when it is of another format."""
    try:
        document: dict[str, Any] = json.loads(data)
        if document.get("format") != FORMAT:
            raise BackupError(
                f"The backup has format {document.get('format')!r}; this MediScan reads {FORMAT}. Use a newer MediScan."
            )
        files = {name: Stored(**item) for name, item in document.pop("files").items()}
        plain, audit = Stored(**document.pop("plain_database")), document.pop("audit")
        manifest = Manifest(files=files, plain_database=plain, audit=(int(audit[0]), str(audit[1])), **document)
        if set(files) != {DATABASE, KEYS, OBJECTS}:
            raise BackupError("The manifest does not name the files of a backup. Take another backup.")
        return manifest
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise BackupError(f"The manifest is malformed ({type(error).__name__}). Take another backup.") from error


def read_small(path: Path) -> bytes:
    """A manifest or signature, whole; BackupError when it is missing or far too large to be one."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_MANIFEST + 1)
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}. Is this the folder of one backup?") from error
    if len(data) > LARGEST_MANIFEST:
        raise BackupError(f"{path} is too large to be a manifest. Take another backup.")
    return data


def digest(path: Path) -> Stored:
    """SHA-256 and size of a file, read in pieces."""
    sha256, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            sha256.update(data)
            size += len(data)
    return Stored(sha256.hexdigest(), size)


def shard(object_id: UUID) -> str:
    return object_id.hex[:2]


def object_file(root: Path, object_id: UUID) -> Path:
    return root / "objects" / shard(object_id) / str(object_id)


def folders(root: Path) -> list[Path]:
    """The finished backups below `root`, oldest first."""
    try:
        signed = [path for path in root.iterdir() if _NAME.fullmatch(path.name) and (path / SIGNATURE).is_file()]
    except OSError as error:
        raise BackupError(f"BACKUP_DIR {root} cannot be read: {error.strerror}. Mount it, or make it.") from error
    return sorted(signed, key=lambda path: path.name)


def line(entry: Entry) -> str:
    """The line of the list of objects."""
    return f"{entry.id},{entry.path},{entry.stored.sha256},{entry.stored.size}\n"


def ids(path: Path) -> Iterator[str]:
    """The ids of the objects that `path` lists; what else stands there is not looked at."""
    with path.open(encoding="ascii", errors="replace") as file:
        yield from (listed.partition(",")[0] for listed in file)


def entries(path: Path) -> Iterator[Entry]:
    """The objects that `path` lists. BackupError for a line that no backup writes: a path must not lead elsewhere."""
    with path.open(newline="", encoding="ascii", errors="strict") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            yield _entry(row, number)


def _entry(row: list[str], number: int) -> Entry:
    try:
        object_id, path, sha256, size = row
        entry = Entry(UUID(object_id), path, Stored(sha256, int(size)))
        if not (_PATH.fullmatch(path) and path.endswith(str(entry.id)) and _DIGEST.fullmatch(sha256)):
            raise ValueError(path)
    except ValueError:
        raise BackupError(f"Line {number} of {OBJECTS} names no stored object. Take another backup.") from None
    return entry
