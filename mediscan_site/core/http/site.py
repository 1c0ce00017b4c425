"""Addresses of this site: its own in links that leave it (mails, one-time links), and those to go back to."""

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework.request import Request


def site_url(request: HttpRequest | Request) -> str:
    """PUBLIC_URL when set; else the host of the request, which ALLOWED_HOSTS has checked."""
    return str(settings.PUBLIC_URL) or request.build_absolute_uri("/").rstrip("/")


def own_page(request: HttpRequest, name: str) -> str:
    """The address that a form sent in this field, if it is one of this site; else the first page. Nobody is sent elsewhere."""
    asked = str(request.POST.get(name, ""))
    fits = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if fits else reverse("dashboard")
