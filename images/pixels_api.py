"""The answer with the pixels of a scan at full size."""

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework.request import Request

from images.picture_serializers import PIXEL_FACTS
from mediscan_site.core.http.bytes import made_response

_GZIP: Final = 31
_DEEP: Final = "grey16"


def pixels_response(request: Request, facts: Mapping[str, Any], body: bytes, *, name: str) -> HttpResponseBase:
    """Deep pixels are stored as gzip, and go as they are to whoever undoes that."""
    headers = {PIXEL_FACTS: json.dumps(facts, sort_keys=True)}
    if facts["kind"] != _DEEP:
        return made_response(request, body, content_type="image/png", file_name=f"{name}.png", headers=headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        body = zlib.decompress(body, _GZIP)
    response = made_response(
        request, body, content_type="application/octet-stream", file_name=f"{name}.bin", headers=headers
    )
    patch_vary_headers(response, ("Accept-Encoding",))
    return response
