"""The ASGI application: from a request's head to its answer's last byte."""

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress

from django.urls import Resolver404, resolve

from mediscan_site.core import counting
from mediscan_site.core.http.later import Later
from mediscan_site.front.gate import limits
from mediscan_site.front.gate.bodies import Bodies, Body, Gone, Receive, declared_size
from mediscan_site.front.gate.environ import USER, Scope, environ
from mediscan_site.front.gate.handler import Answer, Handler, finished
from mediscan_site.front.gate.lanes import Lane, Lanes
from mediscan_site.front.gate.protocol import GuardedProtocol
from mediscan_site.front.gate.refusals import Refused, busy, too_many_at_once
from mediscan_site.front.gate.sending import Send, Sender, stream
from mediscan_site.front.gate.throttle import Caller, Throttle
from mediscan_site.front.gate.waiters import Waiters
from mediscan_site.front.metrics import shared

log = logging.getLogger(__name__)
ALIVE = b'{"status": "ok"}'
ALIVE_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ALIVE)).encode())]
PARENT_S = 1.0
# Of many that are turned away one is logged so often; all are counted.
TOLD_EVERY_S = 10.0


class Gate:
    """Of one process."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._throttle = Throttle(os.environ.get(shared.FOLDER))
        self._lanes = Lanes()
        self._bodies = Bodies(self._lanes)
        self._waiters = Waiters(self._lanes.watch)
        self._orphaned: asyncio.Task[None] | None = None
        self._told = -TOLD_EVERY_S
        GuardedProtocol.when_stopping.append(self._waiters.stop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"] == "/healthz" and scope["method"] in ("GET", "HEAD"):
            # Answered by the loop itself: that the process lives, whatever else waits.
            await Sender(scope, receive, send).whole(200, ALIVE_HEADERS, b"" if scope["method"] == "HEAD" else ALIVE)
        else:
            await self._serve(scope, receive, Sender(scope, receive, send))

    async def _serve(self, scope: Scope, receive: Receive, sender: Sender) -> None:
        try:
            caller = await self._throttle.admit(scope)
            body = await self._bodies.take(scope, receive)
        except Refused as refused:
            await self._refused_early(scope, sender, refused)
        except Gone:
            await sender.cut()
        else:
            await self._served(scope, receive, sender, body, caller)

    def _turned_away(self, scope: Scope, refused: Refused) -> None:
        counting.TURNED_AWAY.labels(str(refused.status)).inc()
        now = time.monotonic()
        if now - self._told >= TOLD_EVERY_S:
            self._told = now
            log.warning(
                "%s %s was turned away (%d): %s", scope["method"], _route(scope), refused.status, refused.detail
            )

    async def _refused_early(self, scope: Scope, sender: Sender, refused: Refused) -> None:
        self._turned_away(scope, refused)
        with suppress(Gone):
            if declared_size(scope) == 0:
                # Nothing is left to be read: the connection may stay.
                await sender.refuse(refused)
            else:
                await sender.refuse_early(refused)
            return
        await sender.cut()

    async def _served(self, scope: Scope, receive: Receive, sender: Sender, body: Body, caller: Caller) -> None:
        try:
            await self._answered(scope, receive, sender, body, caller)
        except Gone:
            await sender.cut()

    async def _answered(self, scope: Scope, receive: Receive, sender: Sender, body: Body, caller: Caller) -> None:
        try:
            await self._send(sender, await self._answer(scope, receive, sender, body, caller), caller)
        except Refused as refused:
            if sender.started:
                raise Gone from refused
            self._turned_away(scope, refused)
            await sender.refuse(refused)

    async def _answer(self, scope: Scope, receive: Receive, sender: Sender, body: Body, caller: Caller) -> Answer:
        lane = self._lanes.of(scope, body.size, limits.OPEN_BYTES, expensive=caller.is_expensive)
        asked = environ(scope, body.file, body.size)

        def work() -> Answer | Later | None:
            try:
                return None if sender.is_gone else self._handler.answer(asked)
            finally:
                body.file.close()

        found = await lane.run(work, caller.who)
        self._throttle.learn(scope, asked.get(USER))
        while isinstance(found, Later):
            found = await self._later(found, lane, receive, scope["method"])
        if found is None:
            raise Gone
        return found

    async def _later(self, later: Later, lane: Lane, receive: Receive, method: str) -> Answer | Later:
        """The answer after its wait. A client that leaves meanwhile is not waited for."""
        wait = asyncio.create_task(self._waiters.over(later.wait))
        left = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait((wait, left), return_when=asyncio.FIRST_COMPLETED)
        finally:
            wait.cancel()
            left.cancel()
        return await lane.run(lambda: finished(later, method))

    async def _send(self, sender: Sender, answer: Answer, caller: Caller) -> None:
        if answer.body is not None:
            await sender.whole(answer.status, answer.headers, answer.body)
        elif not answer.from_file and self._lanes.downloads.is_full:
            await self._lanes.disk.run(answer.response.close)
            raise busy("Too many downloads at the same time. Try again in a few seconds.")
        elif not answer.from_file and self._lanes.downloads.has_enough(caller.who):
            await self._lanes.disk.run(answer.response.close)
            raise too_many_at_once()
        else:
            await stream(sender, self._lanes, answer, caller.who)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._orphaned = asyncio.create_task(_end_with(os.getppid()))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._orphaned.cancel()
        await send({"type": "lifespan.shutdown.complete"})


def _route(scope: Scope) -> str:
    """The pattern of the address: an address itself may hold what lets somebody in."""
    try:
        return f"/{resolve(scope['path']).route}"
    except Resolver404:
        return "no page"


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end_with(parent: int) -> None:
    """A process whose parent was killed would keep the port from its successor."""
    with suppress(asyncio.CancelledError):
        while os.getppid() == parent:
            await asyncio.sleep(PARENT_S)
        log.warning("The parent process has gone: this one ends")
        os.kill(os.getpid(), signal.SIGTERM)
