"""Those who wait for a worker's answer: held by the event loop, with one look at the database for all of them."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

from mediscan_site.core.http.later import POLL_S, Ready, Wait
from mediscan_site.front.gate.lanes import Lane, with_database

log = logging.getLogger(__name__)
# Beyond, a caller is answered at once as one whose time is up, and asks again.
MOST_WAITING = 500
FAILED_S = 1.0


class Waiters:
    """Of one process."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._waiting: dict[asyncio.Event, Wait] = {}
        self._polling: asyncio.Task[None] | None = None
        self._stopping = False

    async def over(self, wait: Wait) -> None:
        """Returns once the wait is over, and for too many at once right away."""
        if self._stopping or len(self._waiting) >= MOST_WAITING or wait.left <= 0:
            return
        event = asyncio.Event()
        self._waiting[event] = wait
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(wait.left):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            del self._waiting[event]

    def stop(self) -> None:
        """The process ends: everybody is answered with how it stands."""
        self._stopping = True
        for event in self._waiting:
            event.set()

    async def _poll(self) -> None:
        while self._waiting:
            await asyncio.sleep(POLL_S)
            try:
                await self._look()
            except Exception:
                # The database is away: whoever waits waits on, until the time is up.
                log.warning("The rows that are waited for cannot be read at the moment")
                await asyncio.sleep(FAILED_S)

    async def _look(self) -> None:
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
