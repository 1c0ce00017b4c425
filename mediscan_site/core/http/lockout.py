"""The answer to a name and address that failed to log in too often."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

DETAIL = "Too many failed log-ins. Wait 15 minutes, or ask an administrator to unlock the account."


def locked_out(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """429 with Retry-After; the same text for a right and a wrong password."""
    response: HttpResponse
    if request.path.startswith("/api/"):
        body = {"type": "client_error", "errors": [{"code": "locked_out", "detail": DETAIL, "attr": None}]}
        response = JsonResponse(body, status=429)
    else:
        response = render(request, "error.html", {"title": "Too Many Requests", "detail": DETAIL}, status=429)
    response["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME.total_seconds()))
    return response
