"""Rehearsing the restore: the newest backup becomes a site in a scratch folder with a scratch database, all of it is verified,
and it is removed again. Only then is it known that the backups can be restored, and how long that takes.

The rehearsal is `manage.py restore` in a process of its own, whose environment names nothing of the live site."""

import contextlib
import logging
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from mediscan_site.core import audit, notices, work
from mediscan_site.core.again import done_again
from mediscan_site.core.backup import checking, layout, place, scratch, signing
from mediscan_site.core.backup.layout import BackupError, Manifest
from mediscan_site.core.backup.selectors import seconds_since
from mediscan_site.core.models import ACTIVE, Backup, Drill, User, WorkStatus
from mediscan_site.core.storage import ring

log = logging.getLogger(__name__)

NOTICE: Final = "backup:drill"
EVERY: Final = timedelta(days=7)
RETRY: Final = timedelta(days=1)
POLL_S: Final = 1.0
SHOWN: Final = 1000
BY_HAND: Final = "Run manage.py backup drill --identity FILE with the identity that is kept off this machine."
# Blank in the rehearsal, also where .env sets them: nothing of the live site may be found.
FOREIGN: Final = (
    *("PUBLIC_URL", "MEDIA_STORAGE_URL", "BACKUP_DIR", "BACKUP_RECIPIENTS", "BACKUP_RECIPIENTS_FILE", "DATABASE_URL"),
    *("CELERY_BROKER_URL", "MLFLOW_TRACKING_URI", "EMAIL_URL", "METRICS_TOKEN", "DRILL_DIR", "DEBUG"),
)


@dataclass(frozen=True)
class _Chosen:
    folder: Path
    manifest: Manifest


def request_drill(*, actor: User | None = None) -> Drill:
    """A row for whoever rehearses. `actor` None is the operator's shell, or the clock."""
    with transaction.atomic():
        row = Drill.objects.create(created_by=actor)
        audit.record("drill.request", actor=actor, obj=row)
    return row


def request_due() -> Drill | None:
    """What the clock asks for: once a week, where the identity is on this machine; else administrators are told to do it."""
    tell()
    return request_drill() if _is_due(timezone.now()) else None


def _is_due(now: datetime) -> bool:
    if not settings.BACKUP_DIR or not place.own_identity().is_file() or last_backup() is None:
        return False
    if Drill.objects.filter(status__in=ACTIVE).exists() or Backup.objects.filter(status__in=ACTIVE).exists():
        return False
    if Drill.objects.filter(status=WorkStatus.FAILED, created_at__gt=now - RETRY).exists():
        return False
    last = last_drill()
    return last is None or now - last > EVERY


def last_drill() -> datetime | None:
    """When a restore last succeeded in a rehearsal."""
    done = Drill.objects.filter(status=WorkStatus.SUCCEEDED).order_by("-created_at")
    return done.values_list("created_at", flat=True).first()


def last_backup() -> Backup | None:
    return Backup.objects.filter(status=WorkStatus.SUCCEEDED).order_by("-created_at").first()


def age_seconds() -> float:
    """For monitoring: since the last rehearsal that succeeded."""
    return seconds_since(last_drill())


def tell() -> None:
    """Tell administrators of a rehearsal that failed, or is overdue, until one succeeds."""
    why = _trouble(timezone.now()) if settings.BACKUP_DIR else ""
    if why:
        notices.put(NOTICE, why)
    else:
        notices.take_away(NOTICE)


def _trouble(now: datetime) -> str:
    ended = Drill.objects.filter(status__in=(WorkStatus.SUCCEEDED, WorkStatus.FAILED)).order_by("-created_at").first()
    if ended is not None and ended.status == WorkStatus.FAILED:
        return f"The restore drill of {ended.created_at:%Y-%m-%d} failed: {ended.error}"
    first = Backup.objects.filter(status=WorkStatus.SUCCEEDED).order_by("created_at").first()
    since = ended.created_at if ended is not None else first.created_at if first is not None else now
    if now - since > timedelta(days=settings.DRILL_DAYS):
        return f"No restore was rehearsed in the last {settings.DRILL_DAYS} days. {BY_HAND}"
    return ""


def run(pk: int, *, identity: Path | None = None) -> None:
    """Do the rehearsal `pk` if it is queued. Whatever goes wrong is in its row, and told."""
    attempt = work.claim(Drill, pk)
    if attempt is None:
        return
    began = time.monotonic()
    try:
        with work.keep_alive(Drill, pk, attempt) as pulse:
            chosen = _chosen()
            _rehearse(chosen, identity or place.own_identity(), pulse)
    except work.Stopped:
        work.finish(Drill, pk, attempt, status=WorkStatus.CANCELLED)
    except (BackupError, OSError, DatabaseError) as error:
        log.warning("Drill %s failed", pk, exc_info=error)
        said = str(error) if isinstance(error, BackupError) else work.describe_failure(error)
        _end(pk, attempt, WorkStatus.FAILED, error=said)
    else:
        _end(pk, attempt, WorkStatus.SUCCEEDED, **_facts(chosen.manifest, time.monotonic() - began))
    tell()


def _facts(manifest: Manifest, seconds: float) -> dict[str, object]:
    lost = len(manifest.damaged)
    remark = f"{lost} objects were damaged before the backup was made. Run verify_images." if lost else ""
    rows = sum(manifest.rows.values())
    return {
        "backup": manifest.name,
        "seconds": seconds,
        "objects_verified": manifest.objects,
        "rows_counted": rows,
        "error": remark,
    }


@done_again
def _end(pk: int, attempt: int, status: WorkStatus, **columns: object) -> None:
    with transaction.atomic():
        if work.finish(Drill, pk, attempt, status=status, **columns):  # type: ignore[arg-type]
            audit.record("backup.drill", actor=None, obj=Drill(pk=pk), details={"status": str(status)})


def _chosen() -> _Chosen:
    """The newest backup, if this site signed it."""
    folders = layout.folders(place.root())
    if not folders:
        raise BackupError("There is no backup to rehearse with. Make one: manage.py backup.")
    return _Chosen(folders[-1], checking.manifest_of(folders[-1], trusted=signing.signer(ring.current())))


def _rehearse(chosen: _Chosen, identity: Path, pulse: work.Pulse) -> None:
    if not identity.is_file():
        raise BackupError(f"The identity that opens the backups is not on this machine. {BY_HAND}")
    with scratch.folder(chosen.manifest) as folder, scratch.database() as database:
        environment = _environment(folder, database)
        options = ("--identity", str(identity.resolve()), "--signer", chosen.manifest.signer)
        _restore([sys.executable, "manage.py", "restore", str(chosen.folder), *options], environment, folder, pulse)


def _environment(folder: Path, database: str) -> dict[str, str]:
    return {
        **os.environ,
        **dict.fromkeys(FOREIGN, ""),
        "DATABASE_URL": database,
        "MEDISCAN_DATA_DIR": str(folder / "data"),
        "MEDISCAN_KEYS_FILE": str(folder / "keys" / "keys.json"),
        "DJANGO_SETTINGS_MODULE": "mediscan_site.settings",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "localhost",
        "LOG_LEVEL": "ERROR",
    }


def _restore(command: list[str], environment: dict[str, str], folder: Path, pulse: work.Pulse) -> None:
    """BackupError with the restore's own words unless it ends well."""
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(  # noqa: S603 -- our own command, no shell
            command,
            env=environment,
            cwd=settings.BASE_DIR,
            stdout=said,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        try:
            code = _waited(process, pulse)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        said.seek(0)
        if code:
            raise BackupError(said.read()[-SHOWN:].strip() or f"The restore ended with {code}.")


def _waited(process: "subprocess.Popen[bytes]", pulse: work.Pulse) -> int:
    while True:
        if pulse.should_stop():
            raise work.Stopped
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=POLL_S)
