"""Work that fell silent is given out again, work lost too often is ended, and wake-ups that may have been lost are repeated.

All is measured by the database's clock. After that was set back, what was noted before counts as of now: else a worker that was
lost would be missed only when the clock is there again."""

import logging
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from mediscan_site.core import work
from mediscan_site.core.database import ago
from mediscan_site.core.models import WorkStatus

log = logging.getLogger(__name__)
RESEND_LIMIT: Final = 100
LOST: Final = (
    "The worker was lost {attempts} times while working on this. "
    "Start it again; if it is lost again, look at the worker's log."
)


def sweep() -> None:
    """Give silent rows to another worker, end those lost too often, and repeat wake-ups that may have been lost."""
    for entry in work.open_now():
        _leave_the_future(entry)
        _end_lost(entry)
        _requeue_silent(entry)
        _wake_again(entry)


def _leave_the_future(entry: work.Swept) -> None:
    rows = _rows(entry)
    alive = rows.filter(status=WorkStatus.RUNNING, heartbeat_at__gt=ago(timedelta(seconds=-settings.WORK_LEASE_S)))
    late = rows.filter(status=WorkStatus.QUEUED, queued_at__gt=ago(timedelta(seconds=-work.LONGEST_PUT_OFF_S)))
    for changed, columns in ((alive, {"heartbeat_at": Now()}), (late, {"queued_at": Now()})):
        if changed.update(**columns):
            log.warning("Work of %s is from the future: the database's clock was set back", entry.model._meta.label)


def _silent(entry: work.Swept) -> "QuerySet[Any]":
    return _rows(entry).filter(
        status=WorkStatus.RUNNING, heartbeat_at__lt=ago(timedelta(seconds=settings.WORK_LEASE_S))
    )


def _end_lost(entry: work.Swept) -> None:
    # Whoever looks for what has ended lately looks by state and heartbeat, for which there is an index.
    ended = {"finished_at": Now(), "heartbeat_at": Now(), **entry.closing}
    _silent(entry).filter(cancel_requested=True).update(status=WorkStatus.CANCELLED, **ended)
    message = LOST.format(attempts=settings.WORK_MAX_ATTEMPTS)
    lost = _silent(entry).filter(attempt__gte=settings.WORK_MAX_ATTEMPTS)
    lost.update(status=WorkStatus.FAILED, error=message, **ended)


def _requeue_silent(entry: work.Swept) -> None:
    for pk in list(_silent(entry).values_list("pk", flat=True)):
        if _silent(entry).filter(pk=pk).update(status=WorkStatus.QUEUED, queued_at=Now()):
            log.warning("%s %s fell silent and is queued again", entry.model._meta.label, pk)
            work.send(entry.task, pk)


def _wake_again(entry: work.Swept) -> None:
    waiting = _rows(entry).filter(status=WorkStatus.QUEUED, queued_at__lt=ago(timedelta(seconds=settings.WORK_LEASE_S)))
    for pk in list(waiting.order_by("queued_at").values_list("pk", flat=True)[:RESEND_LIMIT]):
        if waiting.filter(pk=pk).update(queued_at=Now()):
            work.send(entry.task, pk)


def _rows(entry: work.Swept) -> "QuerySet[Any]":
    return entry.model._default_manager.all()
