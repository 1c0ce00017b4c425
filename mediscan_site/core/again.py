"""Short transactions of workers and commands, done again when the database ends them: their caller has nobody to ask to send
it again, as requests have (`core.http.repeating`).

What may be decorated: a function all of whose writes are in one transaction of its own, or in one conditional UPDATE, and that
does nothing outside of the database but on commit: no file, no message, no count in a variable. What it reads to decide, it
reads inside. So a second time finds the state as it was before the first, or as somebody else has left it."""

import logging
import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from django.db import OperationalError, connection

from mediscan_site.core.errors import ended_by_database, waited_for_lock

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
# Seconds between the tries. A lock has been waited for before each of them (`mediscan_site.patience`).
PAUSES_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
PATIENCE_S: Final = 60.0


def done_again(function: Callable[P, R]) -> Callable[P, R]:
    """Repeat after a deadlock, a serialization failure or a lock that somebody held for long. Inside of another transaction
    it is done once: that one has ended too, and is the one to repeat."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for pause in PAUSES_S:
            try:
                return function(*args, **kwargs)
            except OperationalError as error:
                if not _may_succeed(error):
                    raise
                log.info("The database ended %s, which is done again: %s", function.__qualname__, error)
            rest(pause)
        return function(*args, **kwargs)

    return call


def patiently(write: Callable[[], R]) -> R:
    """The same for a write that is worth waiting for: done again for PATIENCE_S while others hold what it wants."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return write()
        except OperationalError as error:
            if not _may_succeed(error) or time.monotonic() > until:
                raise
        rest(PAUSES_S[0])


def _may_succeed(error: OperationalError) -> bool:
    return not connection.in_atomic_block and (ended_by_database(error) or waited_for_lock(error))


def rest(pause: float) -> None:
    """About that many seconds, never the same: two that collided should not collide again."""
    time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 -- no secret
