"""Parsers that answer a hostile body (large, deep, packed, NaN, NUL) with 400, 413 or 415 instead of an error of ours."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.parsers import BaseParser, FormParser, JSONParser, MultiPartParser

from mediscan_site.core.errors import Invalid, LengthRequired, TooLarge, UnsupportedMedia

MAX_DEPTH = 64


def refuse_packed(parser_context: Mapping[str, Any] | None) -> None:
    """Raises UnsupportedMedia for a body with a Content-Encoding (a small one could unpack to any size)."""
    request = (parser_context or {}).get("request")
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "") if request is not None else ""
    if encoding.strip().lower() not in {"", "identity"}:
        raise UnsupportedMedia("Send the body without Content-Encoding.", code="unsupported_encoding")


def refuse_unmeasured(request: Any) -> None:
    """Raises LengthRequired for a body in chunks behind a server that does not put them together: Django would see no body. The
    site's own web server does (`front/gate/bodies.py`)."""
    if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
        raise LengthRequired("Send the body with a Content-Length instead of Transfer-Encoding: chunked.")


class _Unpacked(BaseParser):
    def parse(self, stream: IO[Any], media_type: Any = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        refuse_packed(parser_context)
        return super().parse(stream, media_type, parser_context)


class GuardedMultiPartParser(_Unpacked, MultiPartParser):
    pass


class GuardedFormParser(_Unpacked, FormParser):
    pass


class GuardedJSONParser(JSONParser):
    """One JSON object of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes, 64 levels, finite numbers and storable text."""

    def parse(self, stream: IO[Any], media_type: Any = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        refuse_packed(parser_context)
        return load_object(_read_limited(stream, settings.DATA_UPLOAD_MAX_MEMORY_SIZE))


def load_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. Raises Invalid naming what is wrong with it."""
    try:
        value = json.loads(
            raw.decode(), parse_constant=_not_finite, parse_float=_finite, object_pairs_hook=_without_contradiction
        )
    except RecursionError as error:
        raise Invalid(f"The JSON is nested deeper than {MAX_DEPTH} levels.", code="parse_error") from error
    except ValueError as error:
        raise Invalid(f"The body is not valid JSON: {error}", code="parse_error") from error
    if not isinstance(value, dict):
        raise Invalid("Send a JSON object, as in {}.", code="parse_error")
    _check(value)
    return value


def _read_limited(stream: IO[Any], limit: int) -> bytes:
    raw: bytes = stream.read(limit + 1)
    if len(raw) <= limit:
        return raw
    raise TooLarge(f"The body is larger than {limit} bytes. Send files as multipart form data.")


def _not_finite(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _not_finite(text[:20])
    return value


def _without_contradiction(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name twice in one object (RFC 8259 section 4 leaves open what it means) must say the same twice."""
    found = dict(pairs)
    if len(found) != len(pairs) and any(found[name] != value for name, value in pairs):
        raise ValueError("an object holds the same name twice, with different values")
    return found


def _check(root: Any) -> None:
    """Walks the value without recursion: depth, and text that every database can store."""
    level = [root]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                _check_text(value)
            elif isinstance(value, dict):
                below.extend(value.keys())
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        if not below:
            return
        level = below
    raise Invalid(f"The JSON is nested deeper than {MAX_DEPTH} levels.", code="parse_error")


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise Invalid("The text holds a NUL character. Remove it.", code="null_characters_not_allowed")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Invalid("The text holds half of a surrogate pair. Send valid Unicode.", code="parse_error") from error
