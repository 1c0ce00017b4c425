"""Threads for Django's synchronous code, in lanes, so that much of one kind never takes the threads of another; and in a lane
callers take turns, so that much of one caller never takes the threads of the others."""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from django.db import close_old_connections

from mediscan_site.core import counting
from mediscan_site.front.gate.environ import Scope
from mediscan_site.front.gate.refusals import busy, too_many_at_once

T = TypeVar("T")
# How many requests may stand behind those that are being answered; one caller takes no more than half of these places.
WAITING_PER_THREAD = 25
# Somebody who asked within so many seconds is there: beside others, nobody has more than one thread of a lane.
PRESENT_S: Final = 2.0
SIGN_IN_PATHS = ("/login/", "/admin/login/", "/api/v1/auth/", "/password")
PROBE_PATHS = ("/readyz", "/metrics")
# The site itself, which asks for itself.
NOBODY: Final = ""


class Lane:
    """A few threads and a bounded queue before them, in which callers take turns.

    `alone`: the most threads that one caller takes while nobody else is there; beside others it is one. The threads of one
    process share an interpreter, so each more of one caller slows the others, however many threads are left for them."""

    def __init__(self, name: str, threads: int, *, alone: int | None = None) -> None:
        self.name = name
        self._threads = threads
        self._alone = threads if alone is None else alone
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads * (1 + WAITING_PER_THREAD)
        self._most_of_one = self._most // 2
        self.taken = 0
        self._running: Counter[str] = Counter()
        # Who waits, in the order of their turns.
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._counted = counting.LANES.labels(name)

    @property
    def is_full(self) -> bool:
        """Whether one more would have to wait for a thread."""
        return self.taken >= self._threads

    def has_enough(self, caller: str) -> bool:
        """Whether this caller's next request would have to wait, whoever else is there."""
        return caller != NOBODY and self._running[caller] >= self._alone

    async def run(self, work: Callable[[], T], caller: str = NOBODY) -> T:
        """The work's result. Raises Refused when too many stand in the queue already, of all or of this caller."""
        if self.taken >= self._most:
            raise busy("The site has too much to do at the moment. Try again in a few seconds.")
        if caller != NOBODY and len(self._waiting.get(caller, ())) >= self._most_of_one:
            raise too_many_at_once()
        self._take(1)
        if caller != NOBODY:
            self._note(caller)
        if not self._may_run(caller) or caller in self._waiting:
            await self._turn(caller)
        else:
            self._running[caller] += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        # Counted until the thread is free again, also when whoever asked no longer waits.
        future.add_done_callback(lambda done: self._freed(done, caller))
        return await future

    def _take(self, number: int) -> None:
        self.taken += number
        self._counted.inc(number)

    def _note(self, caller: str) -> None:
        self._seen[caller] = time.monotonic()
        self._seen.move_to_end(caller)

    def _others_are_there(self, caller: str) -> bool:
        gone = time.monotonic() - PRESENT_S
        while self._seen and next(iter(self._seen.values())) < gone:
            self._seen.popitem(last=False)
        return len(self._seen) > (caller in self._seen)

    def _may_run(self, caller: str) -> bool:
        if self._running.total() >= self._threads:
            return False
        if caller == NOBODY:
            return True
        return self._running[caller] < (1 if self._others_are_there(caller) else self._alone)

    async def _turn(self, caller: str) -> None:
        """Returns when this request has its thread."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._running[caller] -= 1
            self._take(-1)
            self._give_turns()
            raise

    def _give_turns(self) -> None:
        """One after the other to whoever is next and has not its share, for as long as there are threads."""
        while self._give_one_each():
            pass

    def _give_one_each(self) -> bool:
        given = False
        for caller in list(self._waiting):
            if self._may_run(caller) and (turn := self._next_of(caller)) is not None:
                self._running[caller] += 1
                turn.set_result(None)
                given = True
                if caller in self._waiting:
                    self._waiting.move_to_end(caller)
        return given

    def _next_of(self, caller: str) -> "asyncio.Future[None] | None":
        queue = self._waiting.get(caller, deque())
        turn = None
        while queue and turn is None:
            turn = queue.popleft()
            turn = None if turn.done() else turn
        if not queue:
            self._waiting.pop(caller, None)
        return turn

    def _freed(self, future: "asyncio.Future[T]", caller: str) -> None:
        self._take(-1)
        self._running[caller] -= 1
        if self._running[caller] <= 0:
            del self._running[caller]
        if not future.cancelled():
            future.exception()
        self._give_turns()


def with_database(work: Callable[[], T]) -> Callable[[], T]:
    """The same, where no signal of a request closes the thread's database connections."""

    def whole() -> T:
        close_old_connections()
        try:
            return work()
        finally:
            close_old_connections()

    return whole


class Lanes:
    """The lanes of one process."""

    def __init__(self) -> None:
        self.pages = Lane("pages", 8, alone=4)
        # What reads a whole list: files of it, and searches.
        self.expensive = Lane("expensive", 2, alone=1)
        # Passwords are expensive to check on purpose.
        self.sign_in = Lane("sign-in", 2)
        self.uploads = Lane("uploads", 4, alone=3)
        self.probes = Lane("probes", 1)
        # Who sends a large body, looked up before it is taken.
        self.callers = Lane("callers", 2)
        self.disk = Lane("disk", 4)
        self.downloads = Lane("downloads", 12, alone=4)
        self.watch = Lane("watch", 1)

    def of(self, scope: Scope, size: int, open_bytes: int, *, expensive: bool = False) -> Lane:
        path = scope["path"]
        if path.startswith(SIGN_IN_PATHS):
            return self.sign_in
        if path in PROBE_PATHS:
            return self.probes
        if size > open_bytes:
            return self.uploads
        return self.expensive if expensive else self.pages
