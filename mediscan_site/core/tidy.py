"""Housekeeping: removes what has expired, and what nothing refers to."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.core.management import call_command
from django.utils import timezone

from mediscan_site.core.models import IdempotencyRecord

IDEMPOTENCY_HOURS = 24

log = logging.getLogger(__name__)
_jobs: dict[str, Callable[[], None]] = {}


def register(job: Callable[[], None]) -> Callable[[], None]:
    """Have a later app's housekeeping run every hour too, in the `io` worker. Used as a decorator."""
    _jobs[f"{job.__module__}.{job.__qualname__}"] = job
    return job


def run() -> None:
    cutoff = timezone.now() - timedelta(hours=IDEMPOTENCY_HOURS)
    IdempotencyRecord.objects.filter(created_at__lt=cutoff).delete()
    call_command("clearsessions")
    call_command("flushexpiredtokens")
    for name, job in _jobs.items():
        try:
            job()
        except Exception:
            # The others still run; this one is tried again in an hour.
            log.exception("Housekeeping %s failed", name)
