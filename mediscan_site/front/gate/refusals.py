"""What the gate itself answers, before Django has seen the request: as Django would, with the headers of every other answer."""

import io
from dataclasses import dataclass, field
from http import HTTPStatus

from csp.middleware import CSPMiddleware
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse, HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils import translation

from mediscan_site.core.errors import StorageFull
from mediscan_site.core.http import refusals
from mediscan_site.front.gate.environ import Scope, environ

Headers = list[tuple[bytes, bytes]]


@dataclass
class Refused(Exception):
    """A request that is answered without having been read to its end."""

    status: int
    code: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, scope: Scope) -> tuple[Headers, bytes]:
        """JSON under /api/, a page in the browser's language elsewhere. Who asks is not looked up."""
        request = WSGIRequest(environ(scope, io.BytesIO(), 0))
        with translation.override(translation.get_language_from_request(request)):
            response = refusals.answer(request, self.status, self.code, self.detail, greeting=False)
        _protect(request, response)
        for name, value in {**self.headers, "Content-Length": str(len(response.content))}.items():
            response.headers[name] = value
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in response.items()]
        return headers, response.content


def _protect(request: WSGIRequest, response: HttpResponse) -> None:
    """The headers that middleware gives every other answer: of transport, content policy and frames; kept by nobody."""
    response.headers["Cache-Control"] = "no-store"

    def given(_: object) -> HttpResponseBase:
        return response

    # Only its second half: a refusal is said where it was asked for, not after a redirection to the secure address.
    SecurityMiddleware(given).process_response(request, response)
    CSPMiddleware(given).process_response(request, response)
    XFrameOptionsMiddleware(given).process_response(request, response)


def too_large(limit: int, *, remedy: str) -> Refused:
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"The body is larger than {limit} bytes. {remedy}")


def busy(detail: str, *, seconds: int = 5) -> Refused:
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, {"Retry-After": str(seconds)})


def too_many_at_once() -> Refused:
    detail = "You have too many requests waiting at the same time. Wait for some answers before you ask for more."
    return Refused(HTTPStatus.TOO_MANY_REQUESTS, "throttled", detail, {"Retry-After": "1"})


def too_often(seconds: int) -> Refused:
    detail = f"You ask more often than this site allows. Wait {seconds} seconds, and go on more slowly."
    return Refused(HTTPStatus.TOO_MANY_REQUESTS, "throttled", detail, {"Retry-After": str(seconds)})


def full(error: StorageFull) -> Refused:
    return Refused(error.status, error.code, error.detail, {"Retry-After": str(error.retry_after)})


def too_slow() -> Refused:
    detail = "The body arrived too slowly and was given up. Send it again, in smaller pieces."
    return Refused(HTTPStatus.REQUEST_TIMEOUT, "too_slow", detail)
