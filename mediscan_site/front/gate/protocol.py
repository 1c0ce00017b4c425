"""A connection: uvicorn's, with the limits it lacks on what a client that says nothing, or little, may hold."""

import asyncio
import resource
from collections.abc import Callable
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_S = 15.0
HEAD_BYTES = 64 * 2**10
# How long an answer that is ready, and whose connection ends with it, may take to be read.
CLOSING_S = 30.0
MOST_CONNECTIONS = 2000
# What files, database connections and the like need besides the sockets.
OTHER_FILES = 200
TRANSPORT = "mediscan.transport"

_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"  # no body: no words


def connections_allowed() -> int:
    """What this process may hold open, with files left for everything else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(min(MOST_CONNECTIONS, soft - OTHER_FILES), 50)


class GuardedProtocol(HttpToolsProtocol):
    """Headers must arrive in time and be of a sane size; beyond the bound the oldest connection that keeps nobody busy goes.

    One that waits for our answer is never closed for a newcomer, so an attacker only pushes out attackers and idle ones."""

    # Insertion order is age.
    open: ClassVar[dict["GuardedProtocol", None]] = {}
    when_stopping: ClassVar[list[Callable[[], None]]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = False
        self._answered: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._await_head()
        self.open[self] = None
        if len(self.open) > connections_allowed():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.pop(self, None)
        self._stop_head_timer()
        if self._answered is not None:
            # uvicorn tells only the last of several requests in a row.
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing() or (self.is_answering and not self._in_head):
            return
        # Also after bytes that begin no request: they have just ended uvicorn's own time-out of idle connections.
        if self._head_timer is None:
            self._await_head()
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES:
            self.transport.write(_TOO_LONG)
            self.close_soon()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()
        cast(dict[str, Any], self.scope)[TRANSPORT] = self.transport

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self._stop_head_timer()
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self.loop.call_later(CLOSING_S, self.transport.abort)

    def timeout_keep_alive_handler(self) -> None:
        self.close_soon()

    def shutdown(self) -> None:
        for callback in self.when_stopping:
            callback()
        super().shutdown()

    @property
    def is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def is_idle(self) -> bool:
        """Nothing to be answered yet: no request, or one whose body has not arrived."""
        return not self.is_answering or self.cycle.more_body

    def close_soon(self) -> None:
        """Close, at once when the client does not take what is still to be sent."""
        if not self.transport.is_closing():
            self.transport.close()
        self.loop.call_later(CLOSING_S, self.transport.abort)

    def _make_room(self) -> None:
        oldest = next((connection for connection in self.open if connection.is_idle), self)
        self.open.pop(oldest, None)
        oldest.transport.abort()

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_S, self.close_soon)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
