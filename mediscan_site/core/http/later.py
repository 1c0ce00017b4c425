"""An answer that waits for a worker. Under the gate the request gives its thread back meanwhile; elsewhere it waits itself.

The view says what it waits for and how it answers then (`when_ready`). What it returns is a marker that the gate takes
out: it looks at all rows that anybody waits for at once, and lets the view finish. A marker never reaches a client."""

import contextvars
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

POLL_S: Final = 0.05
GATE: Final = "mediscan.gate"

# Those of the rows that need not be waited for any longer.
Ready = Callable[[Iterable[int]], set[int]]
Finish = Callable[[], HttpResponseBase]


@dataclass
class Wait:
    """For one row, at most so long. `asked_now`: it was asked for by this request, so nobody needs to look at once."""

    ready: Ready
    key: int
    seconds: float
    asked_now: bool = False
    since: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        return self.since + self.seconds - time.monotonic()

    def is_over(self) -> bool:
        return self.left <= 0 or self.key in self.ready([self.key])


class Later(HttpResponse):
    """Stands for an answer to come. `finish` makes it, on any thread."""

    status_code = HTTPStatus.ACCEPTED

    def __init__(self, wait: Wait, finish: Finish) -> None:
        super().__init__()
        self.wait = wait
        self._finish = finish
        # Where the request came from, for the audit trail.
        self._context = contextvars.copy_context()

    def finished(self) -> HttpResponseBase:
        """The answer (or the next marker), with the headers that the middleware gave to this one."""
        response = self._context.copy().run(self._finish)
        if isinstance(response, Later):
            response.headers_from(self)
            return response
        for name, value in self.items():
            if name not in ("Content-Length", "Content-Type"):
                response.headers.setdefault(name, value)
        response.cookies.update(self.cookies)
        return response

    def headers_from(self, other: "Later") -> None:
        for name, value in other.items():
            self.headers.setdefault(name, value)
        self.cookies.update(other.cookies)

    def then(self, change: Callable[[HttpResponseBase], HttpResponseBase]) -> "Later":
        """The same, where the answer goes through `change`."""
        made = self._finish

        def finish() -> HttpResponseBase:
            response = made()
            return response.then(change) if isinstance(response, Later) else change(response)

        self._finish = finish
        return self


def when_ready(view: APIView, request: Request, wait: Wait, answer: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """The answer, once `wait` is over."""
    gate = GATE in request.META
    if (wait.left <= 0) if gate and wait.asked_now else wait.is_over():
        return answer()
    if gate:
        return Later(wait, lambda: _rendered(view, request, answer))
    while not wait.is_over():
        time.sleep(POLL_S)
    return answer()


def _rendered(view: APIView, request: Request, answer: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """What DRF does around a view's method, after the method has already returned once."""
    response: Any
    try:
        response = answer()
    except Exception as error:
        response = view.handle_exception(error)
    if isinstance(response, Later):
        return response
    final: HttpResponseBase = view.finalize_response(request, response, *view.args, **view.kwargs)
    if isinstance(final, Response):
        final.render()
        final.headers.setdefault("Content-Length", str(len(final.content)))
    return final
