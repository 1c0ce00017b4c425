"""Stored objects as HTTP answers: with their digest as ETag, never sniffed, never run."""

import hashlib
import io
from collections.abc import Mapping
from typing import BinaryIO

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from rest_framework.request import Request

from mediscan_site.core.http.digest import digest_header
from mediscan_site.core.models import Blob

# Up to this size every chunk is verified before the first byte leaves, so damage is an error and not half a file.
WHOLE = 16 * 2**20
BLOCK = 64 * 2**10


def blob_response(
    request: HttpRequest | Request, stream: BinaryIO, blob: Blob, *, file_name: str, as_attachment: bool = False
) -> HttpResponseBase:
    """The object, or 304 when the caller already has it (If-None-Match). Closes the stream. DamagedObject on damage."""
    if {"*", blob.sha256} & held_digests(request):
        stream.close()
        return _guarded(HttpResponseNotModified(), blob.sha256)
    if blob.size <= WHOLE:
        with stream:
            stream = io.BytesIO(stream.read())
    response = FileResponse(stream, content_type=blob.content_type, filename=file_name, as_attachment=as_attachment)
    response.block_size = BLOCK
    response["Content-Digest"] = digest_header(blob.sha256)
    return _guarded(response, blob.sha256)


def made_response(
    request: HttpRequest | Request, data: bytes, *, content_type: str, file_name: str, headers: Mapping[str, str]
) -> HttpResponseBase:
    """Bytes that were made for this answer, which nobody has to send again to who has them. `headers`: what they mean."""
    sha256 = hashlib.sha256(data).hexdigest()
    if {"*", sha256} & held_digests(request):
        return _guarded(HttpResponseNotModified(headers=dict(headers)), sha256)
    response = HttpResponse(data, content_type=content_type, headers=dict(headers))
    response["Content-Disposition"] = f'inline; filename="{file_name}"'
    response["Content-Digest"] = digest_header(sha256)
    return _guarded(response, sha256)


def held_digests(request: HttpRequest | Request) -> set[str]:
    """What the caller says it already has (If-None-Match), without quotes; `*` stands for anything."""
    return {tag.removeprefix("W/").strip('"') for tag in parse_etags(request.headers.get("If-None-Match", ""))}


def _guarded(response: HttpResponseBase, sha256: str) -> HttpResponseBase:
    response["ETag"] = f'"{sha256}"'
    response["Repr-Digest"] = digest_header(sha256)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
