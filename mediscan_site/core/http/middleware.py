"""Middleware: the context of a request, and pages' answers to domain errors."""

import logging
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import ResolverMatch

from mediscan_site.core.again import rest
from mediscan_site.core.errors import ended_by_database, translate
from mediscan_site.core.http import outage, refusals
from mediscan_site.core.http.addresses import caller_address
from mediscan_site.core.http.callers import known_caller
from mediscan_site.core.http.context import RequestContext, set_context
from mediscan_site.core.http.repeating import PAUSES_S, Commits, repeatable, repeated
from mediscan_site.core.refusals import note_request
from mediscan_site.logs import REQUESTS

log = logging.getLogger(REQUESTS)
GetResponse = Callable[[HttpRequest], HttpResponseBase]

# Where the commits of a request are recorded.
COMMITS = "mediscan.commits"


def client_ip(request: HttpRequest) -> str:
    return caller_address(request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""))


class RequestContextMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = secrets.token_hex(8)
        set_context(RequestContext(ip=client_ip(request), request_id=request_id))
        began = time.monotonic()
        response = self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        _narrate(request, response, time.monotonic() - began)
        set_context(RequestContext())
        return response


def _narrate(request: HttpRequest, response: HttpResponseBase, spent: float) -> None:
    """One line with `LOG_FORMAT=json`. The route, not the address: what people type may be in that."""
    match = request.resolver_match
    about = {
        "route": match.route if match else None,
        "method": request.method,
        "status": response.status_code,
        "user": known_caller(request),
        "duration_ms": round(spent * 1000, 1),
    }
    log.info("request", extra=about)


class DomainErrorMiddleware:
    """A refusal that no view turned into a form error becomes a plain page with the reason, never a 500. A form whose
    transaction the database ended is tried again first."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not repeatable(request):
            return self.get_response(request)
        commits = request.META[COMMITS] = Commits()
        with connection.execute_wrapper(commits):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        if ended_by_database(exception) and _untouched(request):
            try:
                return _again(request)
            except Exception as error:
                if translate(error) is None:
                    raise
                exception = error
        return _refusal(request, exception)


def _untouched(request: HttpRequest) -> bool:
    """Whether the request can be read again and has committed nothing, and no transaction is open around it."""
    commits = request.META.get(COMMITS)
    return commits is not None and not commits.any and not connection.in_atomic_block


def _again(request: HttpRequest) -> HttpResponseBase:
    match = cast("ResolverMatch", request.resolver_match)
    view: Callable[..., HttpResponseBase] = match.func
    rest(PAUSES_S[0])
    return repeated(lambda: view(request, *match.args, **match.kwargs))


def _refusal(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    known = translate(exception)
    outage.watch.noticed(exception)
    if known is None:
        return None
    if known.status == HTTPStatus.FORBIDDEN:
        note_request(request, known.code)
    return refusals.of(request, known)
