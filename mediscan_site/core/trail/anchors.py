"""The head of the chain, kept where whoever owns the database cannot reach: once an hour as a signed line of a file and of the
log, and in each backup's manifest. A tail that was cut off, or a chain that was written anew, does not have it any more.

The check of the chain leaves a line of its own, so that a later one can begin where it came to.

A line is JSON, signed with a key derived from the key file. A restore goes back on purpose: it leaves a line of its own, and
the anchors from before it that lie beyond it no longer count.
"""

import hmac
import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.utils import timezone

from mediscan_site.core import notices
from mediscan_site.core.backup import layout, signing
from mediscan_site.core.models import AuditEvent, AuditSeal, Unsealed
from mediscan_site.core.storage import ring

log = logging.getLogger(__name__)

HEAD, RESTORE, CHECKED = "head", "restore", "checked"
LOST, UNWRITABLE = "audit-cut", "audit-anchors"
BATCH: Final = 500
LONGEST_LINE: Final = 4096
_PURPOSE: Final = b"mediscan audit anchor, version 1"


class NoAnchor(Exception):
    """What was given is no anchor of this site. The message says what to give."""


@dataclass(frozen=True)
class Anchor:
    """The head as it once was. `events`: rows in the events' table then. `origin`, for people, is not part of the line."""

    kind: str
    at: str
    seq: int
    hash: str
    events: int
    origin: str = ""

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.at)


def drop() -> Anchor | None:
    """Write the present head into file and log; None while there is nothing. A file that cannot be written is told."""
    last = AuditSeal.objects.order_by("-seq").first()
    return _written(HEAD, last.seq, last.hash) if last else None


def restored(seq: int, digest: str) -> Anchor:
    """Note that the chain went back to `seq` on purpose."""
    return _written(RESTORE, seq, digest)


def checked(seq: int, digest: str) -> None:
    """Note that the chain was read, and held, from its first event up to this one: a line like the others, alone in a file beside
    theirs. OSError where that cannot be written."""
    note = to_line(_anchor(CHECKED, seq, digest))
    _check_file().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = _check_file().with_suffix(".part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{note}\n")
    draft.replace(_check_file())


def last_checked() -> Anchor | None:
    """That note, unless the site went back behind it since. NoAnchor where a file holds what this site did not write."""
    notes = _of_file(_check_file()) if _check_file().exists() else []
    return next((note for note in counting([*_local(), *notes]) if note.kind == CHECKED), None)


def _check_file() -> Path:
    anchors: Path = settings.AUDIT_ANCHOR_FILE
    return anchors.with_name(f"{anchors.stem}-checked.jsonl")


def _anchor(kind: str, seq: int, digest: str) -> Anchor:
    # As many as have a seal or wait for one: counting them all would read them all.
    return Anchor(kind, timezone.now().isoformat(), seq, digest, seq + Unsealed.objects.count())


def _written(kind: str, seq: int, digest: str) -> Anchor:
    anchor = _anchor(kind, seq, digest)
    line = to_line(anchor)
    log.info("audit anchor %s", line)
    try:
        _append(settings.AUDIT_ANCHOR_FILE, line)
    except OSError as error:
        log.error("The audit anchor was not written: %s", error)
        notices.put(
            UNWRITABLE,
            f"AUDIT_ANCHOR_FILE {settings.AUDIT_ANCHOR_FILE} cannot be written ({error.strerror}). Mend that: without anchors a "
            "cut tail of the audit trail is not seen.",
        )
    else:
        notices.take_away(UNWRITABLE)
    return anchor


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        _drop_half_a_line(descriptor)
        os.write(descriptor, line.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _drop_half_a_line(descriptor: int) -> None:
    """What a crash left at the end: the next line would be glued to it, and be none."""
    size = os.fstat(descriptor).st_size
    end = os.pread(descriptor, LONGEST_LINE, max(0, size - LONGEST_LINE))
    if end and not end.endswith(b"\n"):
        os.ftruncate(descriptor, size - len(end) + end.rfind(b"\n") + 1)


def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(ring.current().signing_seed, _PURPOSE, "sha256"))


def _document(anchor: Anchor) -> dict[str, Any]:
    facts = asdict(anchor)
    del facts["origin"]
    return {"audit_anchor": 1, **facts}


def _signed(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def to_line(anchor: Anchor) -> str:
    document = _document(anchor)
    return json.dumps({**document, "signature": _key().sign(_signed(document)).hex()})


def parse(line: str, origin: str) -> Anchor:
    """An anchor from its line, or from the line of a log that has it. NoAnchor unless this site signed it."""
    try:
        document = json.loads(line[line.index("{") :])
        signature = bytes.fromhex(document.pop("signature"))
        _key().public_key().verify(signature, _signed(document))
        if document.pop("audit_anchor") != 1:
            raise ValueError(line)
        return Anchor(**document, origin=origin)
    except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature, RecursionError):
        raise NoAnchor(f"{origin} is not an anchor that this site signed. Take another copy of it.") from None


def given(text: str) -> list[Anchor]:
    """What `--anchor` names: a line, a file of lines, or a backup (its folder or manifest)."""
    if "{" in text:
        return [parse(text, "The line")]
    path = Path(text)
    if path.is_dir() or path.name == layout.MANIFEST:
        return [_of_backup(path if path.is_dir() else path.parent)]
    return _of_file(path)


def _of_file(path: Path) -> list[Anchor]:
    try:
        lines = path.read_text().splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise NoAnchor(f"{path} cannot be read as a file of anchors ({error}).") from error
    # A crash may leave half a line at the end; half a line anywhere else is no accident.
    whole = [line for line in lines if line.endswith("\n") and line.strip()]
    return [parse(line, f"{path}, line {number},") for number, line in enumerate(whole, start=1)]


def _of_backup(folder: Path) -> Anchor:
    try:
        data = layout.read_small(folder / layout.MANIFEST)
        signature = layout.read_small(folder / layout.SIGNATURE).decode(errors="replace")
        signing.require_signature(data, signature, trusted=signing.signer(ring.current()))
        manifest = layout.parse(data)
    except layout.BackupError as error:
        raise NoAnchor(f"{folder} is no backup of this site to compare with: {error}") from error
    seq, digest = manifest.audit
    return Anchor(HEAD, manifest.made_at, seq, digest, manifest.rows.get(AuditEvent._meta.db_table, 0), str(folder))


def _local() -> list[Anchor]:
    return _of_file(settings.AUDIT_ANCHOR_FILE) if settings.AUDIT_ANCHOR_FILE.exists() else []


def here() -> list[Anchor]:
    """The anchors within reach: the local file, and the newest backup. What is not there yet is no error."""
    try:
        backups = layout.folders(Path(settings.BACKUP_DIR)) if settings.BACKUP_DIR else []
    except layout.BackupError:
        backups = []
    return counting([*_local(), *map(_of_backup, backups[-1:])])


def counting(anchors: list[Anchor]) -> list[Anchor]:
    """Without those that a later restore went back behind. By their times: a line moved in the file changes nothing."""
    returns = [anchor for anchor in anchors if anchor.kind == RESTORE]
    return [
        anchor for anchor in anchors if not any(back.time > anchor.time and back.seq < anchor.seq for back in returns)
    ]


@dataclass(frozen=True)
class Loss:
    """An anchor that the chain no longer has. `first`: the first event that is missing, or was written anew."""

    anchor: Anchor
    first: int
    cut: bool

    def __str__(self) -> str:
        what = "is missing, with all after it" if self.cut else "is not the one that was there"
        return f"Event {self.first} {what}: {self.anchor.origin} has event {self.anchor.seq} as the head on {self.anchor.at}."


def first_loss(anchors: list[Anchor]) -> Loss | None:
    """The anchor with the lowest number that the chain does not have."""
    head = AuditSeal.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    hashes = dict(_hashes({anchor.seq for anchor in anchors}))
    for anchor in sorted(anchors, key=lambda one: one.seq):
        if anchor.seq and hashes.get(anchor.seq) != anchor.hash:
            cut = anchor.seq > head
            return Loss(anchor, head + 1 if cut else anchor.seq, cut)
    return None


def _hashes(seqs: Iterable[int]) -> Iterator[tuple[int, str]]:
    wanted = sorted(seqs)
    for start in range(0, len(wanted), BATCH):
        yield from AuditSeal.objects.filter(seq__in=wanted[start : start + BATCH]).values_list("seq", "hash")


def watch() -> None:
    """Once an hour: tell when the chain no longer has what was anchored, then anchor what it has."""
    try:
        loss: object = first_loss(here())
    except NoAnchor as error:
        loss = error
    if loss:
        log.error("The audit trail does not fit its anchors: %s", loss)
        notices.put(LOST, f"The audit trail does not fit its anchors. {loss} Run manage.py verify_audit.")
    else:
        notices.take_away(LOST)
    drop()
