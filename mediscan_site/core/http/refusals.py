"""A refusal as an answer, outside of DRF's views: English JSON under /api/, elsewhere a plain page in the reader's language."""

from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext, gettext_noop

from mediscan_site.core.errors import DomainError
from mediscan_site.core.sentences import in_language

# What pages of refusals are called. Versions of Python phrase some of them otherwise.
_TITLES: Final = {
    400: gettext_noop("Bad Request"),
    403: gettext_noop("Forbidden"),
    404: gettext_noop("Not Found"),
    408: gettext_noop("Request Timeout"),
    409: gettext_noop("Conflict"),
    410: gettext_noop("Gone"),
    412: gettext_noop("Precondition Failed"),
    413: gettext_noop("Request Entity Too Large"),
    415: gettext_noop("Unsupported Media Type"),
    422: gettext_noop("Unprocessable Content"),
    429: gettext_noop("Too Many Requests"),
    500: gettext_noop("Internal Server Error"),
    503: gettext_noop("Service Unavailable"),
    507: gettext_noop("Insufficient Storage"),
}


def answer(
    request: HttpRequest,
    status: int,
    code: str,
    detail: str,
    *,
    retry_after: int | None = None,
    greeting: bool | None = None,
) -> HttpResponse:
    """`greeting`: whether a page shows who is signed in; by default where the status says that the site itself is sound."""
    if request.path.startswith("/api/"):
        response = _json(status, code, detail)
    else:
        known = status < HTTPStatus.INTERNAL_SERVER_ERROR if greeting is None else greeting
        response = _page(request if known else None, status, detail)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def of(request: HttpRequest, error: DomainError) -> HttpResponse:
    return answer(request, error.status, error.code, error.detail, retry_after=error.retry_after)


def _json(status: int, code: str, detail: str) -> HttpResponse:
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "client_error"
    return JsonResponse({"type": kind, "errors": [{"code": code, "detail": detail, "attr": None}]}, status=status)


def _page(request: HttpRequest | None, status: int, detail: str) -> HttpResponse:
    """Without a request it greets nobody: who is signed in stands in the database, which may be the one that is away."""
    context = {"title": gettext(_TITLES.get(status) or HTTPStatus(status).phrase), "detail": in_language(detail)}
    return HttpResponse(render_to_string("error.html", context, request=request), status=status)
