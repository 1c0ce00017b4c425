"""Names of files in a form whose bytes are not UTF-8, as curl sends them from a Korean or German Windows.

Django's parser passes over a part whose header it cannot decode, so the file would be missing without a word. Here what cannot be
decoded is replaced (RFC 7578 section 5.1: the name is only a hint) before Django reads the header.
"""

from collections.abc import Callable
from typing import Any

from django.http import multipartparser

# Not in the stubs of its types.
_parser: Any = multipartparser
_django_part: Callable[..., tuple[Any, Any, Any]] = _parser.parse_boundary_stream
# A replacement takes three bytes of UTF-8 for one.
GROWTH = 3


def read_part(stream: Any, max_header_size: int) -> tuple[Any, Any, Any]:
    """Django's `parse_boundary_stream`, for a part with any header."""
    chunk = stream.read(max_header_size)
    head, end, rest = chunk.partition(b"\r\n\r\n")
    if end:
        head = head.decode("utf-8", "replace").encode()
    stream.unget(head + end + rest)
    return _django_part(stream, GROWTH * max_header_size)


def install() -> None:
    """For pages and API: both read forms with Django's parser, which offers no hook for this."""
    _parser.parse_boundary_stream = read_part
