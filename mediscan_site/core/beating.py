"""Heartbeats: of whoever holds rows, and of programs that run."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import Error, connection

log = logging.getLogger(__name__)


@contextmanager
def beating(what: str, renew: Callable[[], object]) -> Iterator[None]:
    """Have `renew` called now and then in a thread of its own while the body works."""
    ended = threading.Event()
    thread = begin(what, renew, every_s=settings.WORK_LEASE_S / 5, ended=ended)
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=5)


def begin(
    what: str, beat: Callable[[], object], *, every_s: float, ended: threading.Event, at_once: bool = False
) -> threading.Thread:
    """Have `beat` called every so many seconds in a thread of its own until `ended`, whatever the database does meanwhile."""

    def run() -> None:
        if at_once:
            _once(what, beat)
        while not ended.wait(every_s):
            _once(what, beat)

    thread = threading.Thread(target=run, name=f"pulse-{what}", daemon=True)
    thread.start()
    return thread


def _once(what: str, beat: Callable[[], object]) -> None:
    try:
        beat()
    except Error as error:
        # A lease outlives a short absence of the database; a long one ends in a fenced attempt.
        log.warning("No heartbeat for %s: %s", what, error)
    finally:
        connection.close()
