"""A refusal as an answer, outside of DRF's views: JSON under /api/, a plain page elsewhere."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from mediscan_site.core.errors import DomainError


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
    context = {"title": HTTPStatus(status).phrase, "detail": detail}
    return HttpResponse(render_to_string("error.html", context, request=request), status=status)
