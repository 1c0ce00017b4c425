"""The address of this site in links that leave it (mails, one-time links)."""

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request


def site_url(request: HttpRequest | Request) -> str:
    """PUBLIC_URL when set; else the host of the request, which ALLOWED_HOSTS has checked."""
    return str(settings.PUBLIC_URL) or request.build_absolute_uri("/").rstrip("/")
