"""One of each periodic task at a time, however many beats send it and however many workers take it.

Whoever does it holds a row with a lease by the database's clock, renewed while it works; the others leave. A holder that is
killed or stopped is followed when its lease is over, so what is done here must bear being done twice, one after the other.
A clock that was set back makes a lease end later than any lease can: it then counts from now."""

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec

from django.conf import settings
from django.db import Error, close_old_connections
from django.db.models import DateTimeField, ExpressionWrapper, Q, QuerySet, Value
from django.db.models.functions import Now

from mediscan_site.core.again import done_again
from mediscan_site.core.beating import beating
from mediscan_site.core.models import TaskLease

log = logging.getLogger(__name__)
# A lease that ends later than this was taken by another clock, and not by a worker with longer leases.
LONGEST_S = 600.0
P = ParamSpec("P")
# By the name of the task.
_looks: dict[str, Callable[[], bool]] = {}


@contextmanager
def only_one(name: str) -> Iterator[bool]:
    """Whether this process may do what `name` says. True for one at a time; the others get False and should leave."""
    holder = uuid.uuid4().hex
    if not _taken(name, holder):
        log.info("%s is done by another worker at the moment", name)
        yield False
        return
    try:
        with beating(name, lambda: _mine(name, holder).update(held_until=_until())):
            yield True
    finally:
        give_back(name, holder)


def one_at_a_time(
    name: str, *, when: Callable[[], bool] | None = None
) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Decorates the whole of a periodic task, or of what such a task does. `name`: that of the task. `when`: a quick look whether
    there is anything to do: without that beat sends nothing, and nobody takes the lease."""

    def decorate(function: Callable[P, None]) -> Callable[P, None]:
        if when is not None:
            _looks[name] = when

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            if when is not None and not when():
                return
            with only_one(name) as mine:
                if mine:
                    function(*args, **kwargs)

        return run

    return decorate


def worth_sending(name: str) -> bool:
    """Whether the periodic task of that name has anything to do. True where nobody can tell: the worker finds out."""
    look = _looks.get(name)
    if look is None:
        return True
    close_old_connections()
    try:
        return look()
    except Error as error:
        log.warning("Whether %s has anything to do cannot be seen now: %s", name, error)
        return True
    finally:
        close_old_connections()


def hold(name: str, holder: str, *, seconds: float) -> bool:
    """Take the lease, or renew it, for somebody who asks again and again and not while a block runs. False: another one has it."""
    return bool(_mine(name, holder).update(held_until=_until(seconds))) or _taken(name, holder, seconds)


def _until(seconds: float | None = None) -> "ExpressionWrapper[Any]":
    length = timedelta(seconds=settings.WORK_LEASE_S if seconds is None else seconds)
    return ExpressionWrapper(Now() + Value(length), output_field=DateTimeField())


def _mine(name: str, holder: str) -> "QuerySet[TaskLease]":
    return TaskLease.objects.filter(name=name, holder=holder)


@done_again
def _taken(name: str, holder: str, seconds: float | None = None) -> bool:
    rows = TaskLease.objects.filter(name=name)
    free = rows.filter(Q(held_until=None) | Q(held_until__lt=Now()))
    claim = {"holder": holder, "held_until": _until(seconds)}
    if free.update(**claim):
        return True
    longest = max(LONGEST_S, settings.WORK_LEASE_S if seconds is None else seconds)
    if rows.filter(held_until__gt=_until(longest)).update(held_until=_until(seconds)):
        log.warning("The lease of %s ended later than leases can: the database's clock was set back", name)
        return False
    if rows.exists():
        return False
    TaskLease.objects.bulk_create([TaskLease(name=name)], ignore_conflicts=True)
    return bool(free.update(**claim))


@done_again
def give_back(name: str, holder: str) -> None:
    """End one's lease before its time; nothing when another one has it."""
    _mine(name, holder).update(holder="", held_until=None)
