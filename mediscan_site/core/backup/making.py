"""Making one backup. Database first, then the objects that it knows: they never change, so each row of the dump has its file,
except those erased in between, which are listed. It gets its name only after all of it was read back: the
copies of objects by it, or by an earlier one since which they have not changed."""

import io
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from mediscan_site.core import audit, work
from mediscan_site.core.again import done_again
from mediscan_site.core.backup import checking, dumps, earlier, layout, objects, place, sealing, signing
from mediscan_site.core.backup.earlier import Earlier
from mediscan_site.core.backup.layout import BackupError, Entry, Manifest
from mediscan_site.core.errors import is_full
from mediscan_site.core.models import Backup, WorkStatus
from mediscan_site.core.storage import ring

log = logging.getLogger(__name__)

KEEP: Final = {Backup.Kind.DAILY: 7, Backup.Kind.WEEKLY: 5}
# A row may have been erased shortly before the backup that still had it got its name.
SLACK = timedelta(hours=1)


@dataclass
class _Copied:
    """What became of the objects. `unread`: those whose copy no earlier backup vouches for; ids of those erased meanwhile, and of
    those without a whole file."""

    count: int = 0
    size: int = 0
    new: int = 0
    unread: list[Entry] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    damaged: list[str] = field(default_factory=list)


def run(pk: int, *, full: bool = False) -> None:
    """Make the backup `pk` if it is queued. Ends it as succeeded, failed (with a reason for people) or cancelled. `full`: read
    back every copy, also those that an earlier backup has verified."""
    attempt = work.claim(Backup, pk)
    if attempt is None:
        return
    row = Backup.objects.get(pk=pk)
    try:
        with work.keep_alive(Backup, pk, attempt) as pulse, place.held() as root:
            _Making(row, attempt, pulse, root, full=full).run()
    except OperationalError:
        # The database is away for a moment: the row falls silent and is given out again.
        log.warning("Backup %s paused", pk, exc_info=True)
    except work.Stopped:
        _fail(row, attempt, WorkStatus.CANCELLED, "")
    except BackupError as error:
        log.error("Backup %s failed: %s", pk, error)
        _fail(row, attempt, WorkStatus.FAILED, str(error))
    except OSError as error:
        # A full disk is explained; of anything else the log has the details.
        log.error("Backup %s failed: %s", pk, error, exc_info=not is_full(error))
        _fail(row, attempt, WorkStatus.FAILED, _explained(error))
    except Exception as error:
        log.exception("Backup %s failed", pk)
        _fail(row, attempt, WorkStatus.FAILED, work.describe_failure(error))


def _explained(error: OSError) -> str:
    if is_full(error):
        return "BACKUP_DIR is full. Older backups are untouched. Make room, or delete the folder of a manual backup."
    return f"BACKUP_DIR or the storage cannot be used: {error.strerror or type(error).__name__}. Older backups are untouched."


@done_again
def _fail(row: Backup, attempt: int, status: WorkStatus, error: str) -> None:
    with transaction.atomic():
        if work.finish(Backup, row.pk, attempt, status=status, error=error):
            action = "backup.cancel" if status == WorkStatus.CANCELLED else "backup.fail"
            audit.record(action, actor=row.created_by, obj=row, details={"status": status})


class _Making:
    def __init__(self, row: Backup, attempt: int, pulse: work.Pulse, root: Path, *, full: bool) -> None:
        self.row, self.attempt, self.pulse, self.root = row, attempt, pulse, root
        self.began = timezone.now()
        self.name = _free_name(root, self.began, row.kind)
        self.kept = layout.folders(root)
        trusted = signing.signer(ring.current())
        self.earlier = Earlier() if full else earlier.newest(root, trusted=trusted, now=self.began)
        self.copied = _Copied()

    def run(self) -> None:
        Backup.objects.filter(pk=self.row.pk).update(name=self.name)
        for left in self.root.glob(f"{layout.PARTIAL}*"):
            shutil.rmtree(left)
        with self._folder() as folder:
            manifest = self._write(folder)
            self._verify(folder)
        if self._end(manifest):
            self._retire()
            objects.prune(self.root, erased=set(manifest.erased))

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """A folder that becomes a backup when the body ends well, and is gone otherwise."""
        folder = self.root / f"{layout.PARTIAL}{self.name}"
        folder.mkdir(mode=0o700)
        try:
            yield folder
            folder.rename(self.root / self.name)
            _flush(self.root)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _write(self, folder: Path) -> Manifest:
        recipients, remark = place.recipients()
        if remark:
            log.warning(remark)
        audit.seal_pending()
        with dumps.dumped() as dump:
            sealed, plain = sealing.seal(dump.stream, folder / layout.DATABASE, recipients, look=dump.look)
        keys, _ = sealing.seal(io.BytesIO(settings.KEYS_FILE.read_bytes()), folder / layout.KEYS, recipients)
        copied = self.copied
        self._copy(folder, dump.census.objects)
        manifest = Manifest(
            name=self.name,
            kind=self.row.kind,
            made_at=self.began.isoformat(),
            engine=connection.vendor,
            migrations=_migrations(),
            rows=dump.census.rows,
            audit=dump.census.audit,
            objects=copied.count,
            objects_size=copied.size,
            files={layout.DATABASE: sealed, layout.KEYS: keys, layout.OBJECTS: layout.digest(folder / layout.OBJECTS)},
            plain_database=plain,
            signer=signing.signer(ring.current()),
            erased=sorted(copied.gone),
            damaged=copied.damaged,
            next_shard=self.earlier.next,
        )
        _sign(folder, manifest)
        return manifest

    def _oldest(self) -> datetime:
        """When the oldest backup that is kept was made: what was erased before it is in none."""
        stamps = [path.name.split("-")[0] for path in self.kept[:1]]
        return min([self.began, *(datetime.strptime(stamp, layout.STAMP).replace(tzinfo=UTC) for stamp in stamps)])

    def _copy(self, folder: Path, known: set[UUID]) -> None:
        """Copies what the backups do not hold yet, and lists all that they hold."""
        copied = self.copied
        with (folder / layout.OBJECTS).open("x", encoding="ascii") as listed:
            for number, entry in enumerate(objects.present(known, self._oldest() - SLACK, copied.gone)):
                self._step(number / len(known) / 2)
                if self._holds(entry):
                    copied.count += 1
                    copied.size += entry.stored.size
                    listed.write(layout.line(entry))
                elif objects.is_gone(entry):
                    copied.gone.add(str(entry.id))
                else:
                    copied.damaged.append(str(entry.id))

    def _holds(self, entry: Entry) -> bool:
        """Whether the backups hold the object, by now; unless it is known to be whole its copy is to be read."""
        if self.earlier.vouches(self.root, entry):
            return True
        held = objects.holds(self.root, entry)
        if not held:
            if not objects.copy(self.root, entry):
                return False
            self.copied.new += 1
        self.copied.unread.append(entry)
        return True

    def _step(self, fraction: float) -> None:
        if self.pulse.should_stop():
            raise work.Stopped
        self.pulse.progress(fraction)

    def _verify(self, folder: Path) -> None:
        # One flush for all that was written; syncing object by object takes an hour for half a million.
        os.sync()
        checking.check(
            folder,
            trusted=signing.signer(ring.current()),
            identity=place.identity(None),
            entries=self.copied.unread,
            mend=lambda entry: objects.copy(self.root, entry) and objects.whole(self.root, entry),
            progress=lambda fraction: self._step(0.5 + fraction / 2),
        )

    @done_again
    def _end(self, manifest: Manifest) -> bool:
        copied, error = self.copied, ""
        if manifest.damaged:
            error = f"{len(manifest.damaged)} stored objects are damaged and not in this backup. Run verify_images."
        digest = layout.digest(self.root / self.name / layout.MANIFEST).sha256
        facts = {"name": self.name, "kind": self.row.kind, "objects": copied.count, "copied": copied.new}
        facts["read"] = len(copied.unread)
        with transaction.atomic():
            done = work.finish(
                Backup,
                self.row.pk,
                self.attempt,
                status=WorkStatus.SUCCEEDED,
                error=error,
                objects_total=copied.count,
                objects_copied=copied.new,
                size=manifest.size,
                manifest_sha256=digest,
                verified_at=timezone.now(),
            )
            if done:
                audit.record("backup.create", actor=self.row.created_by, obj=self.row, details=facts)
        return done

    def _retire(self) -> None:
        """Keep the newest of each kind; manual ones stay until somebody deletes them."""
        for kind, count in KEEP.items():
            same = [path for path in layout.folders(self.root) if f"Z-{kind}" in path.name]
            for path in same[:-count]:
                shutil.rmtree(path)


def _free_name(root: Path, now: datetime, kind: str) -> str:
    name = wanted = f"{now.strftime(layout.STAMP)}-{kind}"
    number = 1
    while (root / name).exists():
        number += 1
        name = f"{wanted}-{number}"
    return name


def _migrations() -> dict[str, list[str]]:
    applied: dict[str, list[str]] = {}
    for app, name in sorted(MigrationRecorder(connection).applied_migrations()):
        applied.setdefault(app, []).append(name)
    return applied


def _sign(folder: Path, manifest: Manifest) -> None:
    data = manifest.to_bytes()
    for name, content in ((layout.MANIFEST, data), (layout.SIGNATURE, signing.sign(data, ring.current()).encode())):
        with (folder / name).open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
