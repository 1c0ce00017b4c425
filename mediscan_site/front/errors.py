"""Answers outside of views: unrouted paths, refused bodies, faults. JSON under /api/, a plain page elsewhere."""

import logging
import sys
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from mediscan_site.core.errors import translate
from mediscan_site.core.http import outage, refusals

log = logging.getLogger(__name__)
NO_SUCH_PATH = "There is nothing at this address. The addresses are listed at /api/docs/."


@csrf_exempt
def api_not_found(request: HttpRequest) -> HttpResponse:
    """Every path under /api/ that no route matches. A missing last slash is forgiven: 308 keeps method and body."""
    try:
        match = resolve(f"{request.path_info}/")
    except Resolver404:
        match = None
    if match is None or match.func is api_not_found or request.path_info.endswith("/"):
        return refusals.answer(request, 404, "not_found", NO_SUCH_PATH)
    query = request.META.get("QUERY_STRING", "")
    response = HttpResponseRedirect(f"{request.path}/" + (f"?{query}" if query else ""))
    response.status_code = HTTPStatus.PERMANENT_REDIRECT
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    known = translate(exception)
    if known is None:
        return refusals.answer(request, 400, "bad_request", "The request is malformed and was refused.")
    return refusals.of(request, known)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refusals.answer(request, 403, "permission_denied", _("You may not do this."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refusals.answer(
        request, 404, "not_found", _("There is nothing at this address, or it is not visible to you.")
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """What no view has caught. A service that is away meets middleware too: sessions are in the database."""
    error = sys.exc_info()[1]
    known = translate(error) if isinstance(error, Exception) else None
    if known is not None and error is not None:
        outage.watch.noticed(error)
        return refusals.of(request, known)
    try:
        return refusals.answer(request, 500, "error", _("Something went wrong on our side. It has been logged."))
    except Exception:
        # The error page itself may be broken; then a plain line must do.
        log.exception("The error page failed")
        return HttpResponse("Server Error", status=500, content_type="text/plain")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    detail = _("The form was open for too long or came from another site. Go back, reload the page and send it again.")
    return refusals.answer(request, 403, "csrf_failed", detail)
