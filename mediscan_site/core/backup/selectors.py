"""How the backups are doing, for the dashboard and for monitoring."""

import math
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from mediscan_site.core.models import Backup, WorkStatus

# A day, and time to make one.
OLD = timedelta(hours=26)


def last_verified() -> datetime | None:
    """When the newest backup that was read back whole was made: what came later would be lost."""
    made = Backup.objects.filter(status=WorkStatus.SUCCEEDED, verified_at__isnull=False)
    return made.order_by("-created_at").values_list("created_at", flat=True).first()


def age_seconds() -> float:
    """Of the newest verified backup, for monitoring."""
    return seconds_since(last_verified())


def seconds_since(moment: datetime | None) -> float:
    """Infinite for what never was."""
    return (timezone.now() - moment).total_seconds() if moment else math.inf


def notice() -> str:
    """What an administrator should know about the backups; empty while all is well."""
    if not settings.BACKUP_DIR:
        return "No backups are made: BACKUP_DIR is not set. If this disk fails, every scan and label is lost."
    last = last_verified()
    failed = Backup.objects.filter(status=WorkStatus.FAILED).order_by("-created_at").first()
    why = f" The last attempt failed: {failed.error}" if failed and (last is None or failed.created_at > last) else ""
    if last is None:
        return f"There is no verified backup yet.{why or ' The first one is made within minutes.'}"
    if timezone.now() - last > OLD:
        return f"The last verified backup is from {last:%Y-%m-%d %H:%M} UTC, more than a day ago.{why}"
    # A failure is told at once, while there is a day to make room: the message about it sends people here.
    return f"The last verified backup is from {last:%Y-%m-%d %H:%M} UTC.{why}" if why else ""
