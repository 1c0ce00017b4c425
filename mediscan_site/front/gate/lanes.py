"""Threads for Django's synchronous code, in lanes, so that much of one kind never takes the threads of another."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import close_old_connections

from mediscan_site.front.gate.environ import Scope
from mediscan_site.front.gate.refusals import busy

T = TypeVar("T")
# How many requests may stand behind those that are being answered.
WAITING_PER_THREAD = 25
SIGN_IN_PATHS = ("/login/", "/admin/login/", "/api/v1/auth/", "/password")
PROBE_PATHS = ("/readyz", "/metrics")


class Lane:
    """A few threads and a bounded queue before them."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads * (1 + WAITING_PER_THREAD)
        self.taken = 0

    @property
    def is_full(self) -> bool:
        """Whether one more would have to wait for a thread."""
        return self.taken >= self._threads

    async def run(self, work: Callable[[], T]) -> T:
        """The work's result. Raises Refused when too many stand in the queue already."""
        if self.taken >= self._most:
            raise busy("The site has too much to do at the moment. Try again in a few seconds.")
        self.taken += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        # Counted until the thread is free again, also when whoever asked no longer waits.
        future.add_done_callback(self._freed)
        return await future

    def _freed(self, future: "asyncio.Future[T]") -> None:
        self.taken -= 1
        if not future.cancelled():
            future.exception()


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
        self.pages = Lane("pages", 8)
        # Passwords are expensive to check on purpose.
        self.sign_in = Lane("sign-in", 2)
        self.uploads = Lane("uploads", 4)
        self.probes = Lane("probes", 1)
        # Who sends a large body, looked up before it is taken.
        self.callers = Lane("callers", 2)
        self.disk = Lane("disk", 4)
        self.downloads = Lane("downloads", 12)
        self.watch = Lane("watch", 1)

    def of(self, scope: Scope, size: int, open_bytes: int) -> Lane:
        path = scope["path"]
        if path.startswith(SIGN_IN_PATHS):
            return self.sign_in
        if path in PROBE_PATHS:
            return self.probes
        return self.uploads if size > open_bytes else self.pages
