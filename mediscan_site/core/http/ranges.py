"""A part of a large stored object (RFC 9110 section 14): a download that broke off resumes where it was."""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from mediscan_site.core.http.bytes import BLOCK, blob_response
from mediscan_site.core.models import Blob

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def ranged_response(
    request: HttpRequest | Request, stream: BinaryIO, blob: Blob, *, file_name: str
) -> HttpResponseBase:
    """The object as an attachment: whole, or the one range asked for (206), or 416 for one beyond its end. Closes the stream.

    Several ranges at once, and a range of another version (If-Range), are answered with the whole."""
    part = _asked(request, blob)
    if part is None:
        whole = blob_response(request, stream, blob, file_name=file_name, as_attachment=True)
        whole["Accept-Ranges"] = "bytes"
        return whole
    first, last = part
    if first > last:
        stream.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{blob.size}"})
    response = StreamingHttpResponse(_read(stream, first, last - first + 1), status=206, content_type=blob.content_type)
    # Any thread may read on: nothing of the database is held.
    response.from_file = True  # type: ignore[attr-defined]
    response["Content-Range"] = f"bytes {first}-{last}/{blob.size}"
    response["Content-Length"] = str(last - first + 1)
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response["ETag"] = f'"{blob.sha256}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _asked(request: HttpRequest | Request, blob: Blob) -> tuple[int, int] | None:
    """First and last byte of the range; None for the whole; a first beyond the last for what lies outside."""
    match = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    same = request.headers.get("If-Range", f'"{blob.sha256}"') == f'"{blob.sha256}"'
    if not match or not same or match.group() == "bytes=-":
        return None
    start, end = match.groups()
    if not start:
        return max(blob.size - int(end), 0), blob.size - 1 if int(end) else -1
    last = min(int(end), blob.size - 1) if end else blob.size - 1
    # A range that ends before it begins is no range at all.
    return None if end and int(end) < int(start) else (int(start), last)


def _read(stream: BinaryIO, first: int, size: int) -> Iterator[bytes]:
    with stream:
        stream.seek(first)
        while size > 0 and (block := stream.read(min(BLOCK, size))):
            size -= len(block)
            yield block
