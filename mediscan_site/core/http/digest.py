"""Digests of what is sent and served, so that a broken transfer is an error and never a scan.

`Content-Digest: sha-256=:base64:` (RFC 9530) is about the body of the request as it is sent, a multipart form included;
`X-Content-SHA256: hex` is about the uploaded file alone. Both are optional. A mismatch is refused before anything is stored.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import IO, Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase

from mediscan_site.core.errors import Invalid

FILE_HEADER = "X-Content-SHA256"
BODY_HEADER = "Content-Digest"
ALGORITHMS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_MEMBER = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):(?:;[^,]*)?")
_HEX = re.compile(r"[0-9a-fA-F]{64}")


# Also Django's own: it may be raised where no view can catch it (a page's form is read by the CSRF check).
class BadDigest(Invalid, BadRequest):
    default_code = "digest_mismatch"


def body_digests(header: str) -> dict[str, bytes]:
    """Algorithm to digest for those of the header that can be checked. BadDigest `invalid_digest` when there is none."""
    digests = {}
    for member in header.split(","):
        match = _MEMBER.fullmatch(member.strip())
        if match is None:
            raise _malformed()
        if match[1] in ALGORITHMS:
            digests[match[1]] = _decoded(match[1], match[2])
    if not digests:
        raise _malformed()
    return digests


def _decoded(algorithm: str, text: str) -> bytes:
    try:
        digest = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != ALGORITHMS[algorithm]().digest_size:
        raise _malformed()
    return digest


def _malformed() -> BadDigest:
    detail = f"{BODY_HEADER} must be the digest of the body, as in sha-256=:base64: (or sha-512). Correct it or leave it out."
    return BadDigest(detail, code="invalid_digest")


def file_digest(headers: Mapping[str, str]) -> str:
    """The SHA-256 (hex) that the file is said to have; empty when not given. BadDigest when it is not one."""
    header = headers.get(FILE_HEADER, "").strip()
    return sha256_hex(header, what=FILE_HEADER) if header else ""


def sha256_hex(text: str, *, what: str, attr: str | None = None) -> str:
    """The digest in lower case. BadDigest `invalid_digest` for anything else."""
    if not _HEX.fullmatch(text):
        raise BadDigest(
            f"{what} must be the SHA-256 of the file: 64 hexadecimal digits.", code="invalid_digest", attr=attr
        )
    return text.lower()


def require_equal(*, said: str, found: str, attr: str | None = None) -> None:
    """BadDigest when a digest was given and the bytes that arrived have another one."""
    if said and not hmac.compare_digest(said, found):
        raise BadDigest(
            f"The bytes that arrived have the SHA-256 {found}, not {said}. Nothing was stored: send it again.",
            attr=attr,
        )


def digest_header(sha256: str) -> str:
    """A SHA-256 (hex) as the value of Content-Digest or Repr-Digest."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


class _CheckedBody:
    """The body, hashed as it is read. Whoever reads its last byte gets BadDigest instead when the digest does not fit."""

    def __init__(self, stream: IO[bytes], size: int, wanted: Mapping[str, bytes]) -> None:
        self._stream, self._left, self._wanted = stream, size, wanted
        self._hashes = {name: ALGORITHMS[name]() for name in wanted}

    def read(self, *args: Any) -> bytes:
        return self._seen(self._stream.read(*args))

    def readline(self, *args: Any) -> bytes:
        return self._seen(self._stream.readline(*args))

    def close(self) -> None:
        self._stream.close()

    def _seen(self, data: bytes) -> bytes:
        for running in self._hashes.values():
            running.update(data)
        self._left -= len(data)
        if self._left <= 0:
            self.check()
        return data

    def check(self) -> None:
        for name, running in self._hashes.items():
            if not hmac.compare_digest(running.digest(), self._wanted[name]):
                raise BadDigest(
                    f"The body that arrived does not have the {BODY_HEADER} it was sent with. Send it again."
                )


class DigestMiddleware:
    """Checks Content-Digest while the body is read, whoever reads it. Nothing is read twice."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        header = request.headers.get(BODY_HEADER)
        if header is None:
            return self.get_response(request)
        plain: Any = request
        length = request.META.get("CONTENT_LENGTH") or "0"
        inner, size = plain._stream, int(length) if length.isdecimal() else 0
        checked = _CheckedBody(inner, size, body_digests(header))
        if size == 0:
            checked.check()
        plain._stream = checked
        try:
            return self.get_response(request)
        finally:
            # What an early refusal left unread is not judged.
            plain._stream = inner
