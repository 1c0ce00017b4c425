"""`If-Match: "3"`: change the version I saw and no other."""

import re

from django.http import HttpRequest
from rest_framework.request import Request

from mediscan_site.core.errors import Invalid

_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"|(\d{1,9})')


def expected_version(request: Request | HttpRequest) -> int | None:
    """The version named by If-Match; None without the header or for `*`. Raises Invalid for anything else."""
    raw = request.headers.get("If-Match", "").strip()
    if raw in {"", "*"}:
        return None
    match = _ETAG.fullmatch(raw)
    if not match:
        raise Invalid('If-Match must hold the version you saw, as in If-Match: "3".', code="invalid_precondition")
    return int(match[1] or match[2])
