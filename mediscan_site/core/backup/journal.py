"""What a restore must not bring back: which objects were erased and which rights were withdrawn, kept beside the backups.

`withdrawn.jsonl` in BACKUP_DIR grows by a line for each; a line holds ids and times, nothing about a patient, and the MAC of
itself and of the line before under a key of the keys file. It is written from the database every minute and before a restore
replaces a database that is still there, so only the last minute before a disk dies can be missing."""

import fcntl
import hmac
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from mediscan_site.core.models import AuditEvent, Blob, User
from mediscan_site.core.storage.keys import KeyRing
from mediscan_site.core.trail import queue

log = logging.getLogger(__name__)

FILE: Final = "withdrawn.jsonl"
PURPOSE: Final = "withdrawn since a backup"
ERASED: Final = "erased"
# A row may be committed some time after the moment that it names; what was written already is not written again.
OVERLAP: Final = timedelta(minutes=10)
TAIL: Final = 256 * 2**10
BATCH: Final = 1000
# So many events may be written while a transaction with a lower number is still open.
LATE: Final = 10_000
EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
# Events about a right in a project, and whether the right is there afterwards.
_RIGHTS: Final = {
    "member.add": ("member", True),
    "member.remove": ("member", False),
    "permission.grant": ("permission", True),
    "permission.revoke": ("permission", False),
}
_ACTIONS: Final = ("user.update", "token.revoke", *_RIGHTS)


@dataclass(frozen=True)
class Entry:
    """One line. `name` is unique; `kind` says what `facts` are about; of several about the same the last one counts."""

    at: datetime
    name: str
    kind: str
    facts: dict[str, Any]

    @property
    def about(self) -> str:
        """What several entries may be about, one after the other."""
        ids = {name: value for name, value in self.facts.items() if name != "holds"}
        return json.dumps([self.kind, ids], sort_keys=True)


@dataclass
class Journal:
    """The entries whose MAC is right, in order; `broken`: numbers of lines that are not those that were written there."""

    entries: list[Entry] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    mac: str = ""

    def since(self, moment: datetime) -> list[Entry]:
        """The last word about each thing after that moment, in order."""
        last = {entry.about: entry for entry in self.entries if entry.at > moment}
        return sorted(last.values(), key=lambda entry: entry.at)


def keep(root: Path, ring: KeyRing) -> int:
    """Write down what the database knows and the journal does not; returns how many lines that were."""
    with os.fdopen(os.open(root / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = _tail(file, ring)
        after = found.entries[-1].at - OVERLAP if found.entries else EPOCH
        known, mac, count = {entry.name for entry in found.entries}, found.mac, 0
        top = queue.newest()
        for entry in _new(after, _read_before(root, mac, top)):
            if entry.name not in known:
                mac = _append(file, entry, mac, ring)
                count += 1
        if count:
            file.flush()
            os.fsync(file.fileno())
    _read[root] = (mac, top)
    return count


# By folder: how the journal ended when this process last wrote it, and the newest event then.
_read: dict[Path, tuple[str, int]] = {}


def _read_before(root: Path, mac: str, top: int) -> int:
    """Up to which event this process has read all that the journal needs; 0 where somebody else has written it since."""
    ended, event = _read.get(root, ("", 0))
    return max(0, event - LATE) if ended == mac and event <= top else 0


def read(root: Path, ring: KeyRing) -> Journal:
    """All of it; empty where there is none."""
    try:
        data = (root / FILE).read_bytes()
    except FileNotFoundError:
        return Journal()
    return _parsed(data, ring, whole=True)


def _tail(file: Any, ring: KeyRing) -> Journal:
    """The end of the file, which is all that appending needs."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL))
    data = file.read()
    if data and not data.endswith(b"\n"):
        # A line that was being written when the machine stopped.
        file.write(b"\n")
    return _parsed(data, ring, whole=size <= TAIL)


def _parsed(data: bytes, ring: KeyRing, *, whole: bool) -> Journal:
    found, key = Journal(), ring.derived(PURPOSE)
    lines = data.split(b"\n")
    before = "" if whole else None
    for number, line in enumerate(lines if whole else lines[1:], start=1):
        if not line:
            continue
        entry, said, prev = _entry(line, key)
        if entry is None or (before is not None and prev != before):
            found.broken.append(number)
        if entry is not None:
            found.entries.append(entry)
            before = found.mac = said
    return found


def _entry(line: bytes, key: bytes) -> tuple[Entry | None, str, str]:
    """The entry of a line, its MAC and that of the line before it; no entry when the MAC is not right."""
    try:
        content, said = line[:-65], line[-64:].decode("ascii")
        document = json.loads(content)
        if not hmac.compare_digest(_mac(content, key), said):
            return None, "", ""
        entry = Entry(datetime.fromisoformat(document["at"]), document["name"], document["kind"], document["facts"])
        return entry, said, document["before"]
    except (ValueError, LookupError, TypeError):
        return None, "", ""


def _mac(content: bytes, key: bytes) -> str:
    return hmac.digest(key, content, "sha256").hex()


def _append(file: Any, entry: Entry, before: str, ring: KeyRing) -> str:
    document = {"at": entry.at.isoformat(), "name": entry.name, "kind": entry.kind, "facts": entry.facts}
    content = json.dumps({**document, "before": before}, sort_keys=True).encode()
    mac = _mac(content, ring.derived(PURPOSE))
    file.write(content + b" " + mac.encode() + b"\n")
    return mac


def _new(after: datetime, event: int) -> list[Entry]:
    return sorted([*_erasures(after), *_withdrawals(after, event)], key=lambda entry: (entry.at, entry.name))


def _erasures(after: datetime) -> Iterator[Entry]:
    gone = Blob.objects.filter(erased_at__gt=after, wrapped_key__isnull=True).values_list("pk", "erased_at")
    for pk, at in gone.iterator(chunk_size=BATCH):
        if at is not None:
            yield Entry(at, f"blob:{pk}", ERASED, {"object": str(pk)})


def _withdrawals(after: datetime, read: int) -> Iterator[Entry]:
    told = AuditEvent.objects.filter(id__gt=read, at__gt=after, action__in=_ACTIONS)
    for event in told.order_by("id").iterator(chunk_size=BATCH):
        for number, (kind, facts) in enumerate(_said(event)):
            yield Entry(event.at, f"event:{event.pk}:{number}", kind, facts)


def _said(event: AuditEvent) -> Iterator[tuple[str, dict[str, Any]]]:
    """What an event withdrew or gave. Of an account it names what changed: how it is, is asked now."""
    if event.action == "token.revoke":
        yield "token", {"token": event.object_id}
    elif event.action in _RIGHTS:
        kind, holds = _RIGHTS[event.action]
        ids = {name: event.details[name] for name in ("user", "permission") if name in event.details}
        yield kind, {"project": event.project, **ids, "holds": holds}
    else:
        yield from _of_account(event.object_id, event.details.get("fields", ()))


def _of_account(pk: str, fields: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    user = User.objects.filter(pk=pk).first() if pk.isdecimal() else None
    if user is None:
        return
    if "is_active" in fields:
        yield "active", {"user": user.pk, "holds": user.is_active}
    if "role" in fields:
        yield "administrator", {"user": user.pk, "holds": user.is_admin}
    if "password" in fields:
        yield "password", {"user": user.pk}
