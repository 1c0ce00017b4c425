"""Beat, the process that sends what is due. Several may run, on several machines: one sends, the others follow along and wait.

Who sends holds a lease by the database's clock (`core.alone`). The others count the same entries as sent, so that whoever
takes over goes on in step and does not send at once all that was due meanwhile. Who sends asks first whether there is anything
to do: a query of this process costs a tenth of a message that a worker takes and finds nothing to do."""

import logging
import time
import uuid
from typing import Any, Final

from celery.beat import PersistentScheduler
from django.db import Error, connection

from mediscan_site.core import alone

log = logging.getLogger(__name__)
LEASE: Final = "beat"
# Another one follows after so many seconds; the lease is renewed three times as often.
LEASE_S: Final = 9.0
# A clock that was set back by more than this makes due times of the past ones of the future.
STEP_S: Final = 2.0


class Scheduler(PersistentScheduler):
    """Celery's own with a schedule in a file, which sends only while it holds the lease and bears a clock that is set."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._holder = uuid.uuid4().hex
        self._sends = False
        self._asked_at = -LEASE_S
        self._clock = _clock()
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        super().setup_schedule()
        self._forget_the_future()

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        clock = _clock()
        if clock < self._clock - STEP_S:
            log.warning("This machine's clock was set back by %.0f s", self._clock - clock)
            self._forget_the_future()
        self._clock = clock
        # Asked for on its own as well as before each message: a beat that has nothing to send for long keeps its lease.
        self.may_send()
        return super().tick(*args, **kwargs)

    def adjust(self, n: Any, drift: float = 0.0) -> Any:
        """Celery wakes 10 ms early and then asks without a pause until it is time: most of what an idle beat costs."""
        return super().adjust(n, drift)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        if self.may_send() and alone.worth_sending(entry.task):
            super().apply_entry(entry, producer=producer)

    def may_send(self) -> bool:
        """Whether this is the one beat that sends. Asked of the database three times in a lease, in between remembered."""
        if time.monotonic() - self._asked_at < LEASE_S / 3:
            return self._sends
        before, self._asked_at = self._sends, time.monotonic()
        self._sends = self._holds()
        if self._sends != before:
            log.warning("This beat %s", "sends what is due" if self._sends else "waits: another one sends what is due")
        return self._sends

    def _holds(self) -> bool:
        try:
            return alone.hold(LEASE, self._holder, seconds=LEASE_S)
        except Error as error:
            # Nothing that it could send can be done without the database.
            log.warning("Beat sends nothing while the database is away: %s", error)
            return False
        finally:
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()

    def _forget_the_future(self) -> None:
        """What was sent "later than now" by a clock that was wrong counts as sent now; else it is due only when that is past."""
        for entry in self.schedule.values():
            now: Any = entry.default_now()
            entry.last_run_at = min(entry.last_run_at or now, now)
        self._heap = None

    def close(self) -> None:
        if self._sends:
            try:
                alone.give_back(LEASE, self._holder)
            except Error as error:
                log.warning("Another beat waits for %.0f s: %s", LEASE_S, error)
        super().close()


def _clock() -> float:
    """How far the clock is ahead of time that only passes; it changes when the clock is set."""
    return time.time() - time.monotonic()
