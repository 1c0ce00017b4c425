"""A request's body, taken whole before a thread sees it: in memory while small, sealed on the disk beyond."""

import asyncio
import io
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

from mediscan_site.core.errors import StorageFull, is_full
from mediscan_site.core.storage import room
from mediscan_site.core.storage.spool import IN_MEMORY, SealedSpool
from mediscan_site.front.gate import limits
from mediscan_site.front.gate.environ import Scope, environ, header
from mediscan_site.front.gate.lanes import Lanes, with_database
from mediscan_site.front.gate.refusals import busy, full, too_large, too_slow

Receive = Callable[[], Awaitable[dict[str, Any]]]

# A pause this long, or on the whole less than this many bytes a second, is a client that never ends.
PAUSE_S = 20.0
GRACE_S = 20.0
BYTES_PER_S = 2048
# What bodies may hold in memory together before all but the smallest go to the disk.
MEMORY_BYTES = 64 * 2**20
LARGE_AT_ONCE = 48
LARGE_PER_CALLER = 16


class Gone(Exception):
    """The client has left."""


@dataclass
class Body:
    file: BinaryIO
    size: int


class Arriving:
    """The parts of a body as they come. Raises Refused when they are too many or too slow, and Gone."""

    def __init__(self, receive: Receive, most: int | None = None) -> None:
        self._receive = receive
        self._started = time.monotonic()
        self._more = True
        self._received = 0
        self.most = most

    def __aiter__(self) -> "Arriving":
        return self

    async def __anext__(self) -> bytes:
        if not self._more:
            raise StopAsyncIteration
        block, self._more = await self._next()
        self._received += len(block)
        if self.most is not None and self._received > self.most:
            raise too_large(self.most, remedy=limits.SEND_FILES)
        if self._more and time.monotonic() - self._started > GRACE_S + self._received / BYTES_PER_S:
            raise too_slow()
        return block

    async def _next(self) -> tuple[bytes, bool]:
        try:
            async with asyncio.timeout(PAUSE_S):
                message = await self._receive()
        except TimeoutError:
            raise too_slow() from None
        if message["type"] == "http.disconnect":
            raise Gone
        return message.get("body", b""), message.get("more_body", False)


class Bodies:
    """Takes bodies for one process, and bounds what they may hold together."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._memory = 0
        self._large: Counter[int] = Counter()

    async def take(self, scope: Scope, receive: Receive) -> Body:
        """The body once all of it is here. Raises Refused as early as it can be known, and Gone."""
        declared = declared_size(scope)
        if declared == 0:
            return Body(io.BytesIO(), 0)
        if declared is not None and declared <= limits.OPEN_BYTES:
            data = b"".join([block async for block in Arriving(receive, limits.OPEN_BYTES)])
            return Body(io.BytesIO(data), len(data))
        return await self._take_large(scope, receive, declared)

    async def _take_large(self, scope: Scope, receive: Receive, declared: int | None) -> Body:
        head = b""
        arriving = Arriving(receive)
        if declared is None:
            # Without a length, what anybody may send is read before anybody is asked who they are.
            while len(head) <= limits.OPEN_BYTES:
                try:
                    head += await anext(arriving)
                except StopAsyncIteration:
                    return Body(io.BytesIO(head), len(head))
        look = environ(scope, io.BytesIO(), 0)
        known = limits.remembered(look)
        if known is None:
            known = await self._lanes.callers.run(with_database(lambda: limits.allowance(look)))
        caller, most = known
        if max(declared or 0, len(head)) > most:
            raise too_large(most, remedy=limits.SEND_FILES)
        await self._require_room(declared or len(head))
        with self._counted(caller):
            arriving.most = most
            return await self._collect(head, arriving)

    async def _require_room(self, size: int) -> None:
        if size > IN_MEMORY:
            try:
                await self._lanes.disk.run(lambda: room.require(size))
            except StorageFull as error:
                raise full(error) from error

    async def _collect(self, head: bytes, arriving: Arriving) -> Body:
        spool = SealedSpool()
        disk = self._lanes.disk
        try:
            spool.add(head)
            with self._remembered() as remember:
                async for block in arriving:
                    if spool.fits(block) and remember(len(block)):
                        spool.add(block)
                    else:
                        await disk.run(lambda data=block: spool.write(data))  # type: ignore[misc]
            file: IO[bytes] = await disk.run(spool.finish) if spool.is_on_disk else spool.finish()
        except OSError as error:
            spool.close()
            if is_full(error):
                raise full(StorageFull()) from error
            raise
        except BaseException:
            spool.close()
            raise
        return Body(cast(BinaryIO, file), spool.size)

    @contextmanager
    def _counted(self, caller: int) -> Iterator[None]:
        if self._large[caller] >= LARGE_PER_CALLER or self._large.total() >= LARGE_AT_ONCE:
            raise busy("Too many uploads are arriving at the same time. Send this one again in a few seconds.")
        self._large[caller] += 1
        try:
            yield
        finally:
            self._large[caller] -= 1
            self._large += Counter()

    @contextmanager
    def _remembered(self) -> Iterator[Callable[[int], bool]]:
        held = 0

        def remember(size: int) -> bool:
            nonlocal held
            if self._memory + size > MEMORY_BYTES:
                return False
            held += size
            self._memory += size
            return True

        try:
            yield remember
        finally:
            self._memory -= held


def declared_size(scope: Scope) -> int | None:
    """What Content-Length says; 0 without a body; None for one whose length is not said."""
    if header(scope, b"transfer-encoding") is not None:
        return None
    return int(header(scope, b"content-length") or 0)
