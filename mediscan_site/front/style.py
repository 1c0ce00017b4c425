"""Every part of the design on one page, in both lights side by side: for who builds pages. Only where DEBUG is on."""

import re
from functools import cache

from django.conf import settings
from django.contrib.messages import constants
from django.http import HttpRequest, HttpResponse

from mediscan_site.core.http.html import respond

COLOURS = (
    "ink", "muted", "line", "line-strong", "paper", "ground", "sunk", "hover", "accent", "accent-soft", "accent-fill", "focus",
    "good", "good-soft", "bad", "bad-soft", "care", "care-soft",
)  # fmt: skip


@cache
def icons() -> list[str]:
    """The names in the sprite, as the file has them."""
    sprite = settings.BASE_DIR / "static" / "img" / "icons.svg"
    return re.findall(r'<symbol id="([^"]+)"', sprite.read_text())


def style(request: HttpRequest) -> HttpResponse:
    """Both lights, each with all parts; the names of parts within one are its own."""
    tones = sorted(set(constants.DEFAULT_TAGS.values()) - {"debug"})
    context = {"lights": ["light", "dark"], "icons": icons(), "colours": COLOURS, "tones": tones}
    return respond(request, "front/style.html", context)
