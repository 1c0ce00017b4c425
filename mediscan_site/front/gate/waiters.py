"""Those who wait for a worker's answer: held by the event loop, with one look at the database for all of them.

A worker of this machine rings (`core.bell`) when it has answered. Where workers may be elsewhere, the rows are looked at
twenty times a second as well."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings

from mediscan_site.core.bell import Bell, answers, touch
from mediscan_site.core.http.later import POLL_S, Ready, Wait
from mediscan_site.front.gate.lanes import Lane, with_database

log = logging.getLogger(__name__)
# Beyond, a caller is answered at once as one whose time is up, and asks again.
MOST_WAITING = 500
FAILED_S = 1.0
# Between looks where every worker is on this machine and rings: only what was answered without a ring waits so long.
RUNG_S = 0.5
# After somebody has begun to wait, for what was answered before; mostly a worker rings earlier, and then that was the look.
FIRST_S = 0.02


class Waiters:
    """Of one process."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._waiting: dict[asyncio.Event, Wait] = {}
        # Those among them for whom nobody has looked yet.
        self._new: set[asyncio.Event] = set()
        self._polling: asyncio.Task[None] | None = None
        self._stopping = False
        self._rung = asyncio.Event()
        self._bell: Bell | None = None

    async def over(self, wait: Wait) -> None:
        """Returns once the wait is over, and for too many at once right away."""
        if self._stopping or len(self._waiting) >= MOST_WAITING or wait.left <= 0:
            return
        event = asyncio.Event()
        self._waiting[event] = wait
        # What was answered before somebody waited for it has rung already.
        self._new.add(event)
        asyncio.get_running_loop().call_later(FIRST_S, self._first_look, event)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(wait.left):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            del self._waiting[event]
            self._new.discard(event)

    def _first_look(self, event: asyncio.Event) -> None:
        if event in self._new:
            self._rung.set()

    def stop(self) -> None:
        """The process ends: everybody is answered with how it stands."""
        self._stopping = True
        for event in self._waiting:
            event.set()

    async def _poll(self) -> None:
        interval = self._listen()
        try:
            await self._look_again_and_again(interval)
        finally:
            self._stop_listening()

    def _listen(self) -> float:
        """Have the bell end the pauses; the seconds between looks that remain."""
        if self._bell is None:
            touch(answers())
            self._bell = Bell(answers())
        heard = self._bell.fileno()
        if heard is None:
            return POLL_S
        asyncio.get_running_loop().add_reader(heard, self._ring)
        return RUNG_S if settings.CELERY_BROKER_URL.startswith("filesystem") else POLL_S

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell.quiet()
        self._rung.set()

    def _stop_listening(self) -> None:
        heard = self._bell.fileno() if self._bell is not None else None
        if heard is not None:
            asyncio.get_running_loop().remove_reader(heard)

    async def _look_again_and_again(self, interval: float) -> None:
        while self._waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), interval)
            self._rung.clear()
            try:
                await self._look()
            except Exception:
                # The database is away: whoever waits waits on, until the time is up.
                log.warning("The rows that are waited for cannot be read at the moment")
                await asyncio.sleep(FAILED_S)

    async def _look(self) -> None:
        self._new.clear()
        asked: dict[Ready, list[asyncio.Event]] = defaultdict(list)
        for event, wait in self._waiting.items():
            asked[wait.ready].append(event)
        for ready, events in asked.items():
            keys = {event: self._waiting[event].key for event in events if event in self._waiting}
            found = await self._lane.run(with_database(_bound(ready, set(keys.values()))))
            for event, key in keys.items():
                if key in found:
                    event.set()


def _bound(ready: Ready, keys: set[int]) -> Callable[[], set[int]]:
    return lambda: ready(keys)
