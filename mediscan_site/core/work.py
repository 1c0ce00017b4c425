"""Long work. The row is the queue and the truth; a Celery message only wakes a worker. So a message that is lost, late or
duplicated does no harm: a worker claims the row by a conditional UPDATE, keeps a heartbeat, and writes only while its attempt
number is still current; the sweeper gives out again what fell silent. Leases are measured by the database's clock alone."""

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from celery import Task, current_app, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import close_old_connections, connection, connections, transaction
from django.db.models import Case, F, QuerySet, When
from django.db.models.functions import Coalesce, Now

from mediscan_site.core import interrupted, start, waking
from mediscan_site.core.again import done_again
from mediscan_site.core.beating import beating
from mediscan_site.core.database import ago
from mediscan_site.core.errors import translate
from mediscan_site.core.http.context import UsedToken, current_context, use_token
from mediscan_site.core.models import ACTIVE, TokenWork, WorkItem, WorkStatus

log = logging.getLogger(__name__)

# So long after it was put off a row is tried again, at the latest.
LONGEST_PUT_OFF_S = 600
# How often a worker looks for the next row when another one was quicker.
CLAIM_TRIES = 20
HARD_LIMIT_MARGIN_S = 30
LONGEST_TASK_S = 6 * 3600


class Stopped(Exception):
    """The work was cancelled, or another attempt does it: leave off. For worker code to raise and to catch."""


def durable_task(*, name: str, queue: str, soft_limit_s: int) -> Callable[[Callable[[int], None]], Task[[int], None]]:
    """The only way to make a task: one primary key in, late acknowledgement, a time limit, a queue of its own."""

    def decorate(function: Callable[[int], None]) -> Task[[int], None]:
        @functools.wraps(function)
        def run(pk: int) -> None:
            # Celery keeps the connection from task to task (`CELERY_DB_REUSE_MAX`): one that is too old or dead ends here.
            if not connection.in_atomic_block:
                close_old_connections()
            try:
                function(pk)
            except SoftTimeLimitExceeded as error:
                # It comes anywhere, in the middle of a statement too.
                if not connection.in_atomic_block:
                    connections.close_all()
                if interrupted.an_import(error):
                    interrupted.leave(name)
                raise
            finally:
                # The next task of this process is somebody else's.
                use_token(None)

        return shared_task(
            name=name,
            queue=queue,
            acks_late=True,
            reject_on_worker_lost=True,
            ignore_result=True,
            soft_time_limit=soft_limit_s,
            time_limit=soft_limit_s + HARD_LIMIT_MARGIN_S,
        )(run)

    return decorate


def send(task: Task[[int], None], pk: int) -> None:
    """Wake a worker once the current transaction is committed. With the broker away the sweeper will do it."""
    transaction.on_commit(lambda: waking.send_now(task, pk))


def send_named(name: str, pk: int) -> None:
    """The same by the task's name, for code below the module of the task."""
    send(current_app.tasks[name], pk)


def wake(row: WorkItem) -> None:
    """Wake a worker for a queued row. `register_sweep` says which task does the work of its table. A service token that asks
    for the work is kept: what the worker does is done with it."""
    token = current_context().token
    if token is not None:
        TokenWork.objects.get_or_create(table=row._meta.label, row=row.pk, defaults={"token_id": token.id})
    send(_swept[row._meta.label].task, row.pk)


@done_again
def claim(model: type[WorkItem], pk: int) -> int | None:
    """Take a queued row. Its attempt number, or None when it is not (or no longer) queued, or must wait: without the site's own
    keys and store nothing is begun, so no work fails and no attempt is used up by a key file that is put right again."""
    if not start.is_own():
        return None
    rows = _rows(model).filter(pk=pk, status=WorkStatus.QUEUED)
    taken = rows.update(
        status=WorkStatus.RUNNING,
        attempt=F("attempt") + 1,
        heartbeat_at=Now(),
        started_at=Coalesce("started_at", Now()),
        error="",
    )
    if not taken:
        return None
    use_token(_asked_with(model, pk))
    _claims.count += 1
    return _attempt(model, pk)


@done_again
def _attempt(model: type[WorkItem], pk: int) -> int:
    attempt: int = _rows(model).values_list("attempt", flat=True).get(pk=pk)
    return attempt


def _asked_with(model: type[WorkItem], pk: int) -> UsedToken | None:
    asked = TokenWork.objects.filter(table=model._meta.label, row=pk).select_related("token").first()
    return UsedToken(asked.token_id, asked.token.name, asked.token.made_by_id) if asked else None


def in_turn(model: type[WorkItem], pk: int, run: Callable[[int], None]) -> None:
    """What a wake-up does: the row whose turn it is (`core.shares`), which need not be the one it names. There is a wake-up
    for every row, so each comes to its turn. Among equals it is the named one."""
    waiting = _rows(model).filter(status=WorkStatus.QUEUED)
    ranked = waiting.order_by("turn", Case(When(pk=pk, then=0), default=1), "pk").values_list("pk", flat=True)
    for _ in range(CLAIM_TRIES):
        first = ranked.first()
        if first is None:
            return
        before = _claims.count
        run(first)
        if _claims.count > before:
            return


@dataclass
class _Claims:
    """How many rows this process has taken: `in_turn` learns from it whether somebody else was quicker."""

    count: int = 0


_claims = _Claims()


def mine(model: type[WorkItem], pk: int, attempt: int) -> "QuerySet[Any]":
    """The row while this attempt works on it: none once it was given to another one, or has ended."""
    return _rows(model).filter(pk=pk, attempt=attempt, status=WorkStatus.RUNNING)


def beat(model: type[WorkItem], pk: int, attempt: int, *, progress: float | None = None) -> bool:
    """Renew the lease. False when the row was given to another attempt or is to be cancelled: stop working."""
    columns: dict[str, Any] = {"heartbeat_at": Now()}
    if progress is not None:
        columns["progress"] = min(max(progress, 0.0), 1.0)
    return bool(mine(model, pk, attempt).filter(cancel_requested=False).update(**columns))


@done_again
def finish(
    model: type[WorkItem], pk: int, attempt: int, *, status: WorkStatus, error: str = "", **columns: Any
) -> bool:
    """End this attempt. False when another attempt holds the row: then nothing was written, and nothing more may be."""
    if status == WorkStatus.SUCCEEDED:
        columns["progress"] = 1.0
    ended = {"status": status, "error": error, "finished_at": Now(), "heartbeat_at": Now()}
    return bool(mine(model, pk, attempt).update(**{**ended, **columns}))


@done_again
def put_off(model: type[WorkItem], pk: int, attempt: int, *, seconds: float) -> bool:
    """Give the row back, to be tried again after so long, at most LONGEST_PUT_OFF_S (and at most a lease later)."""
    seconds = min(seconds, LONGEST_PUT_OFF_S)
    return bool(mine(model, pk, attempt).update(status=WorkStatus.QUEUED, queued_at=ago(timedelta(seconds=-seconds))))


def request_cancel(model: type[WorkItem], pk: int, **columns: Any) -> bool:
    """Cancel a queued row at once (with `columns` set) or ask the worker of a running one to stop. False when it has ended."""
    queued = _rows(model).filter(pk=pk, status=WorkStatus.QUEUED)
    if queued.update(status=WorkStatus.CANCELLED, finished_at=Now(), **columns):
        return True
    return bool(_rows(model).filter(pk=pk, status=WorkStatus.RUNNING).update(cancel_requested=True))


@dataclass
class Pulse:
    """The heartbeat of one attempt, for the code that does the work."""

    _stop: threading.Event = field(default_factory=threading.Event)
    _progress: float | None = None

    def should_stop(self) -> bool:
        """True when the row was cancelled or taken over."""
        return self._stop.is_set()

    def progress(self, fraction: float) -> None:
        self._progress = fraction


@contextmanager
def keep_alive(model: type[WorkItem], pk: int, attempt: int) -> Iterator[Pulse]:
    """Renew the lease in a thread of its own while the body works."""
    pulse = Pulse()

    def renew() -> None:
        if not beat(model, pk, attempt, progress=pulse._progress):
            pulse._stop.set()

    with beating(f"{model._meta.label} {pk}", renew):
        yield pulse


@dataclass(frozen=True)
class Swept:
    model: type[WorkItem]
    task: Task[[int], None]
    closing: dict[str, Any]


_swept: dict[str, Swept] = {}


def register_sweep(model: type[WorkItem], task: Task[[int], None], *, closing: dict[str, Any] | None = None) -> None:
    """Have lost rows of this model given out again through `task`; `closing` is set on a row that the sweeper ends."""
    _swept[model._meta.label] = Swept(model, task, closing or {})


def anything_open() -> bool:
    """Whether any row waits or is worked on: else there is nothing to sweep."""
    return next(open_now(), None) is not None


def open_now() -> Iterator[Swept]:
    """The kinds of which a row waits or is worked on (`core.sweeping`)."""
    return (entry for entry in _swept.values() if _rows(entry.model).filter(status__in=ACTIVE).exists())


def kinds() -> list[type[WorkItem]]:
    """Every kind of work that this process knows, in a fixed order."""
    return [_swept[label].model for label in sorted(_swept)]


def describe_failure(error: BaseException) -> str:
    """What people see of an unexpected failure: its kind, never a path, a key or a patient."""
    if isinstance(error, SoftTimeLimitExceeded):
        return "This took longer than the time limit and was stopped."
    known = translate(error) if isinstance(error, Exception) else None
    if known is not None:
        return known.detail
    return f"Unexpected failure ({type(error).__name__}). The worker's log has the details."


def _rows(model: type[WorkItem]) -> "QuerySet[Any]":
    return model._default_manager.all()
