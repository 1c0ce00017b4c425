"""Answers on their way out. A reader that takes nothing for half a minute is cut off."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from mediscan_site.front.gate.bodies import Gone, Receive
from mediscan_site.front.gate.environ import Scope, header
from mediscan_site.front.gate.handler import BLOCK, Answer, parts, pump
from mediscan_site.front.gate.lanes import Lanes
from mediscan_site.front.gate.protocol import TRANSPORT
from mediscan_site.front.gate.refusals import Headers, Refused

Send = Callable[[dict[str, Any]], Awaitable[None]]

# To take what is buffered: about two kilobytes a second are enough.
TAKEN_S = 30.0
# After an early answer the rest of a body is let in for a moment: a client that is still sending would else lose the answer.
LINGER_S = 2.0
BUFFERED = 32 * 2**10
CUT_S = 0.01
LINGER_BYTES = 2 * 2**20


class Sender:
    """One request's way back."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self.started = False

    @property
    def is_gone(self) -> bool:
        transport = self._scope.get(TRANSPORT)
        return transport is not None and transport.is_closing()

    async def head(self, status: int, headers: Headers) -> None:
        self.started = True
        await self._message({"type": "http.response.start", "status": status, "headers": headers})

    async def part(self, body: bytes, *, last: bool = False) -> None:
        if self.is_gone:
            raise Gone
        await self._message({"type": "http.response.body", "body": body, "more_body": not last})

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        if len(body) <= BUFFERED:
            # One look at the clock for both.
            self.started = True
            async with self._taken():
                await self._send({"type": "http.response.start", "status": status, "headers": headers})
                await self._send({"type": "http.response.body", "body": body, "more_body": False})
            return
        await self.head(status, headers)
        for start in range(0, len(body) - BLOCK, BLOCK):
            await self.part(body[start : start + BLOCK])
        await self.part(body[(max(len(body) - 1, 0) // BLOCK) * BLOCK :], last=True)

    async def refuse(self, refused: Refused) -> None:
        headers, body = refused.answer(self._scope)
        await self.whole(refused.status, headers, b"" if self._scope["method"] == "HEAD" else body)

    async def refuse_early(self, refused: Refused) -> None:
        """An answer before the body has been read: the connection ends with it."""
        headers, body = refused.answer(self._scope)
        await self.head(refused.status, [*headers, (b"Connection", b"close")])
        await self.part(b"" if self._scope["method"] == "HEAD" else body)
        await self._linger()
        await self.part(b"", last=True)

    async def _linger(self) -> None:
        # Whoever asks first (100-continue) sends nothing now.
        if header(self._scope, b"expect") is not None:
            return
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_S):
                while left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            return

    async def _message(self, message: dict[str, Any]) -> None:
        async with self._taken():
            await self._send(message)

    @asynccontextmanager
    async def _taken(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(TAKEN_S):
                yield
        except TimeoutError:
            raise Gone from None

    async def cut(self) -> None:
        """End the connection without a word."""
        transport = self._scope.get(TRANSPORT)
        if transport is not None:
            transport.abort()
            # uvicorn hears of it in the loop's next rounds, and would else complain that nothing was answered.
            await asyncio.sleep(CUT_S)


async def stream(sender: Sender, lanes: Lanes, answer: Answer, caller: str) -> None:
    """An answer that is read as it is sent: a file by whatever thread is free, anything else by a thread of its own."""
    await sender.head(answer.status, answer.headers)
    if answer.from_file:
        await _from_file(sender, lanes, answer)
    else:
        loop = asyncio.get_running_loop()

        def send(part: bytes) -> None:
            asyncio.run_coroutine_threadsafe(sender.part(part), loop).result()

        await lanes.downloads.run(lambda: pump(answer.response, send), caller)
    await sender.part(b"", last=True)


async def _from_file(sender: Sender, lanes: Lanes, answer: Answer) -> None:
    content = parts(answer.response)
    try:
        while part := await lanes.disk.run(lambda: next(content, b"")):
            await sender.part(part)
    finally:
        await lanes.disk.run(answer.response.close)
