"""A refusal as an answer, outside of DRF's views: JSON under /api/, a plain page elsewhere."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from mediscan_site.core.errors import DomainError


def answer(
    request: HttpRequest, status: int, code: str, detail: str, *, retry_after: int | None = None
) -> HttpResponse:
    response = _json(status, code, detail) if request.path.startswith("/api/") else _page(request, status, detail)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def of(request: HttpRequest, error: DomainError) -> HttpResponse:
    return answer(request, error.status, error.code, error.detail, retry_after=error.retry_after)


def _json(status: int, code: str, detail: str) -> HttpResponse:
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "client_error"
    return JsonResponse({"type": kind, "errors": [{"code": code, "detail": detail, "attr": None}]}, status=status)


def _page(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """A fault's page greets nobody: who is signed in stands in the database, which may be the one that is away."""
    known = None if status >= HTTPStatus.INTERNAL_SERVER_ERROR else request
    context = {"title": HTTPStatus(status).phrase, "detail": detail}
    return HttpResponse(render_to_string("error.html", context, request=known), status=status)
