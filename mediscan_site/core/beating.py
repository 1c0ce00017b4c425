"""The heartbeat of whoever holds rows."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, connection

log = logging.getLogger(__name__)


@contextmanager
def beating(what: str, renew: Callable[[], object]) -> Iterator[None]:
    """Have `renew` called now and then in a thread of its own while the body works."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(settings.WORK_LEASE_S / 5):
            try:
                renew()
            except DatabaseError as error:
                # A lease outlives a short absence of the database; a long one ends in a fenced attempt.
                log.warning("No heartbeat for %s: %s", what, error)
            finally:
                connection.close()

    thread = threading.Thread(target=run, name=f"pulse-{what}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=5)
