"""Whose language and whose time a page speaks: the person's choice, else the browser's word, else the site's."""

import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from mediscan_site.core.preferences import time_zones, value_of

# A page says where its browser is (static/js/app.js).
ZONE_COOKIE = "time_zone"
# Machines, and rows as they are, speak the site's language and UTC.
PLAIN = ("/api/", f"{settings.STATIC_URL}", "/metrics", "/healthz", "/readyz")


class LocalityMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(PLAIN):
            return self.get_response(request)
        language = value_of(request.user, "language") or translation.get_language_from_request(request)
        with translation.override(language), timezone.override(_zone(request)):
            response = self.get_response(request)
        patch_vary_headers(response, ("Accept-Language",))
        response.headers.setdefault("Content-Language", language)
        return response


def _zone(request: HttpRequest) -> zoneinfo.ZoneInfo:
    """A cookie can say anything: what names no zone is the site's own."""
    named = value_of(request.user, "time_zone") or request.COOKIES.get(ZONE_COOKIE, "")
    return zoneinfo.ZoneInfo(named if named in time_zones() else settings.TIME_ZONE)
