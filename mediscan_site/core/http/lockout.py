"""The answer to a name and address that failed to log in too often."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from mediscan_site.core.http import refusals

DETAIL = "Too many failed log-ins. Wait 15 minutes, or ask an administrator to unlock the account."


def locked_out(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """429 with Retry-After; the same text for a right and a wrong password."""
    pause = int(settings.AXES_COOLOFF_TIME.total_seconds())
    return refusals.answer(request, 429, "locked_out", DETAIL, retry_after=pause)
