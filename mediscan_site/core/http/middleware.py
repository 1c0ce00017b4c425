"""Middleware: the context of a request, and pages' answers to domain errors."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from mediscan_site.core.errors import translate
from mediscan_site.core.http.context import RequestContext, set_context

GetResponse = Callable[[HttpRequest], HttpResponseBase]

# So much of a body that nobody read is taken off the wire after the answer is known.
DRAIN_BYTES = 16 * 2**20
DRAIN_BLOCK = 64 * 2**10


def client_ip(request: HttpRequest) -> str:
    """The caller's address. X-Forwarded-For counts only from the trusted proxies' end: what stands before is the caller's claim."""
    proxies = settings.TRUSTED_PROXIES
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    address = forwarded[-proxies] if proxies and len(forwarded) >= proxies else request.META.get("REMOTE_ADDR", "")
    return str(address)[:45]


class RequestContextMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = secrets.token_hex(8)
        set_context(RequestContext(ip=client_ip(request), request_id=request_id))
        response = self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        set_context(RequestContext())
        return response


class DrainMiddleware:
    """Reads what an early answer (401, 413, a redirect) left of the body.

    A server gives up on such a connection without saying so: the client's next request on it would get no answer."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        with suppress(OSError):
            for _ in range(DRAIN_BYTES // DRAIN_BLOCK):
                if not request.read(DRAIN_BLOCK):
                    break
        return response


class DomainErrorMiddleware:
    """A refusal that no view turned into a form error becomes a plain page with the reason, never a 500."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        known = translate(exception)
        if known is None:
            return None
        title = HTTPStatus(known.status).phrase
        return render(request, "error.html", {"title": title, "detail": known.detail}, status=known.status)
