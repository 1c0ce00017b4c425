"""Asking for a backup, by hand or by the clock."""

from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mediscan_site.core import audit
from mediscan_site.core.backup import checking, journal, place, signing
from mediscan_site.core.backup.checking import Sound
from mediscan_site.core.backup.sealing import Identity
from mediscan_site.core.models import ACTIVE, Backup, User, WorkStatus
from mediscan_site.core.policies import require_admin
from mediscan_site.core.storage import ring

RETRY = timedelta(hours=1)
KINDS = (Backup.Kind.WEEKLY, Backup.Kind.DAILY)


def request_backup(*, actor: User | None, kind: str = Backup.Kind.MANUAL) -> Backup:
    """A row for the worker. `actor` None is the operator's shell, or the clock."""
    if actor is not None:
        require_admin(actor)
    with transaction.atomic():
        row = Backup.objects.create(kind=kind, created_by=actor)
        audit.record("backup.request", actor=actor, obj=row, details={"kind": kind})
    return row


def are_made() -> bool:
    """Whether this site has a place for backups."""
    return bool(settings.BACKUP_DIR)


def due(now: datetime) -> str | None:
    """The kind of backup that is to be made now; None while one is under way, has been made, or failed a moment ago.

    A week begins on Sunday at BACKUP_HOUR, a day at that hour (UTC). A weekly one is that day's too."""
    if not settings.BACKUP_DIR:
        return None
    recent = Backup.objects.filter(created_at__gt=now - RETRY)
    active = Backup.objects.filter(status__in=ACTIVE)
    if active.exists() or recent.filter(status=WorkStatus.FAILED, kind__in=KINDS).exists():
        return None
    day = now.replace(hour=settings.BACKUP_HOUR, minute=0, second=0, microsecond=0)
    day -= timedelta(days=now < day)
    week = day - timedelta(days=(day.weekday() + 1) % 7)
    made = Backup.objects.filter(status=WorkStatus.SUCCEEDED)
    if not made.filter(kind=Backup.Kind.WEEKLY, created_at__gte=week).exists():
        return Backup.Kind.WEEKLY
    return None if made.filter(kind__in=KINDS, created_at__gte=day).exists() else Backup.Kind.DAILY


def request_due() -> Backup | None:
    """What the clock asks for; called by beat every few minutes."""
    kind = due(timezone.now())
    return request_backup(actor=None, kind=kind) if kind else None


def keep_journal() -> None:
    """Note beside the backups what was erased or withdrawn; called by beat every minute."""
    if settings.BACKUP_DIR and (Path(settings.BACKUP_DIR) / "signer").is_file():
        journal.keep(place.root(), ring.current())


def verify_backup(*, folder: Path, identity: Identity | None) -> Sound:
    """Read one of the site's own backups back, to the last byte. BackupError names what is wrong with it."""
    with place.held():
        sound = checking.check(folder, trusted=signing.signer(ring.current()), identity=identity)
    with transaction.atomic():
        Backup.objects.filter(name=folder.name).update(verified_at=timezone.now())
        audit.record("backup.verify", actor=None, details={"name": folder.name, "objects": sound.manifest.objects})
    return sound
