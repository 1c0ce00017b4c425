"""Sixty callers who wait for a worker that never answers, and everybody else meanwhile: the gate itself, without a network."""

import asyncio
import time

from django.http import HttpResponse

from mediscan_site.core.http.later import Later, Wait
from mediscan_site.front.gate import waiters
from mediscan_site.front.gate.app import Gate
from mediscan_site.front.gate.handler import Handler
from mediscan_site.front.gate.protocol import GuardedProtocol
from tests.site.gate.test_parts import scope


class Views(Handler):
    """In Django's place: /wait/ waits for a minute, everything else is a page."""

    def load_middleware(self, is_async=False):
        pass

    def get_response(self, request):
        if request.path == "/wait/":
            return Later(Wait(lambda _keys: set(), 1, 60), lambda: HttpResponse(b"still queued", status=202))
        return HttpResponse(b"a page")


async def ask(gate, path, left):
    sent = []

    async def receive():
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await gate(scope(path=path, type="http"), receive, send)
    return sent[0]["status"], sent[0]["headers"], b"".join(message.get("body", b"") for message in sent)


def test_callers_who_wait_hold_up_nobody_and_no_marker_gets_out(monkeypatch):
    monkeypatch.setattr(waiters, "with_database", lambda work: work)
    monkeypatch.setattr(GuardedProtocol, "when_stopping", [])

    async def story():
        gate, left = Gate(Views()), asyncio.Event()
        waiting = [asyncio.ensure_future(ask(gate, "/wait/", left)) for _ in range(60)]
        await asyncio.sleep(0.5)
        began = time.monotonic()
        assert (await ask(gate, "/healthz", left))[0] == 200
        assert (await ask(gate, "/anything/", left))[2] == b"a page"
        spent = time.monotonic() - began
        assert not any(task.done() for task in waiting)
        # The process is asked to stop: they are told how it stands.
        for callback in GuardedProtocol.when_stopping:
            callback()
        return spent, await asyncio.gather(*waiting)

    spent, answers = asyncio.run(story())
    assert spent < 20
    assert {(status, body) for status, _, body in answers} == {(202, b"still queued")}


def test_a_caller_who_leaves_is_waited_for_no_longer(monkeypatch):
    monkeypatch.setattr(waiters, "with_database", lambda work: work)

    async def story():
        gate, left = Gate(Views()), asyncio.Event()
        waiting = asyncio.ensure_future(ask(gate, "/wait/", left))
        await asyncio.sleep(0.2)
        left.set()
        return await asyncio.wait_for(waiting, 30)

    assert asyncio.run(story())[0] == 202
