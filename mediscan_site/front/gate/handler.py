"""Django's synchronous side: one request on one thread, up to where its answer begins to flow."""

import contextvars
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from mediscan_site.core.http.callers import known_caller
from mediscan_site.core.http.later import Later
from mediscan_site.front.gate.environ import USER

# An answer from a file up to this size is read at once; a larger one part by part.
READ_AT_ONCE = 2**20
BLOCK = 256 * 2**10


@dataclass
class Answer:
    """`body`: all of it, or None when `response` still has it. `from_file`: any thread may read on."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | None
    response: HttpResponseBase
    from_file: bool = False


class Handler(WSGIHandler):
    def answer(self, environ: dict[str, Any]) -> Answer | Later:
        """Runs on a lane's thread, in a context of its own."""
        return contextvars.Context().run(self._answer, environ)

    def _answer(self, environ: dict[str, Any]) -> Answer | Later:
        set_script_prefix("/")
        signals.request_started.send(sender=self.__class__, environ=environ)
        request = self.request_class(environ)
        response = self.get_response(request)
        environ[USER] = known_caller(request)
        if isinstance(response, Later):
            # The request goes on, but its files and the thread's connections are done with.
            request.close()
            close_old_connections()
            return response
        return opened(response, request.method or "")


def finished(later: Later, method: str) -> Answer | Later:
    """The answer after the wait. Runs on a lane's thread."""
    close_old_connections()
    response = later.finished()
    if isinstance(response, Later):
        close_old_connections()
        return response
    return opened(response, method)


def opened(response: HttpResponseBase, method: str) -> Answer:
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    headers += [(b"Set-Cookie", morsel.output(header="").strip().encode()) for morsel in response.cookies.values()]
    answer = Answer(response.status_code, headers, None, response)
    streaming: Any = response
    if method == "HEAD":
        answer.body = b""
    elif not response.streaming:
        answer.body = bytes(streaming.content)
    elif getattr(response, "file_to_stream", None) is not None or getattr(response, "from_file", False):
        answer.from_file = True
        if _size(response) <= READ_AT_ONCE:
            answer.body = b"".join(streaming.streaming_content)
    if answer.body is not None:
        response.close()
        if method != "HEAD" and not response.has_header("Content-Length") and response.status_code not in (204, 304):
            headers.append((b"Content-Length", str(len(answer.body)).encode()))
    elif not answer.from_file:
        # Read on a thread of its own, which has its own connections.
        close_old_connections()
    return answer


def _size(response: HttpResponseBase) -> int:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else READ_AT_ONCE + 1


def parts(response: Any) -> Iterator[bytes]:
    """The body in parts that are worth sending one by one."""
    held = bytearray()
    for piece in response.streaming_content:
        held += piece
        if len(held) >= BLOCK:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def pump(response: HttpResponseBase, send: Callable[[bytes], None]) -> None:
    """The whole body through `send`, which raises when nobody takes it. Closes the response."""
    try:
        for part in parts(response):
            send(part)
    finally:
        response.close()
