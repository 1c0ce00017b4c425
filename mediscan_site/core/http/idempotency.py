"""`Idempotency-Key`: the same POST sent twice is done once, and answered twice.

A key is valid per user and path for 24 hours. Only answers of success are kept: a refused request changed nothing and
may be sent again. The record is inserted before the work, so of two at the same time the database lets one through.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.generics import GenericAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.http.later import Later
from mediscan_site.core.models import IdempotencyRecord
from mediscan_site.core.storage import ring

KEPT = timedelta(hours=24)
# After this, a request that never answered counts as dead (its process was killed), and the key may be used again.
ABANDONED = timedelta(minutes=10)
WAIT_S = 5.0
MAX_LENGTH = 120
KEPT_HEADERS = ("Location", "ETag", "Retry-After")


class IdempotentMixin(GenericAPIView[Any]):
    """Replays POST answers by key. `secret_actions` answer with secrets, never stored: a key there is refused."""

    secret_actions: ClassVar[tuple[str, ...]] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        key = request.headers.get("Idempotency-Key")
        if request.method == "POST" and key is not None and request.user.is_authenticated:
            if getattr(self, "action", "") in self.secret_actions:
                raise Invalid("This answer holds a secret and is not stored. Send no Idempotency-Key.")
            # DRF looks the handler up after this call.
            handler = getattr(self, "post", self.http_method_not_allowed)
            self.post = partial(answer_once, handler, _checked(key))


def answer_once(
    handler: Callable[..., HttpResponseBase], key: str, request: Request, *args: Any, **kwargs: Any
) -> HttpResponseBase:
    """The handler's answer, or the stored one of an earlier request with this key and body.

    Raises Conflict `idempotency_mismatch` (another body) or `idempotency_in_progress` (the first is still running)."""
    record = _reserve(request, key, body_digest(request))
    if record.status is not None:
        return _replay(record)
    try:
        response = handler(request, *args, **kwargs)
    except BaseException:
        record.delete()
        raise
    if isinstance(response, Later):
        return response.then(lambda answer: _kept(record, answer))
    return _kept(record, response)


def _kept(record: IdempotencyRecord, response: HttpResponseBase) -> HttpResponseBase:
    _store(record, response)
    return response


def body_digest(request: Request) -> str:
    """HMAC-SHA256 over the parsed body: JSON in canonical form, or form fields and the SHA-256 of every file.

    Keyed, as a plain digest of a patient number could be reversed by trying all numbers."""
    data = request.data
    fields: Any = data
    if hasattr(data, "lists"):
        fields = [[name, [v for v in values if isinstance(v, str)]] for name, values in sorted(data.lists())]
    files = [[name, [_file_sha256(file) for file in uploads]] for name, uploads in sorted(request.FILES.lists())]
    text = json.dumps([fields, files], sort_keys=True, separators=(",", ":"), default=str)
    return hmac.digest(ring.current().derived("request bodies"), text.encode(), "sha256").hex()


def _file_sha256(file: UploadedFile[Any]) -> str:
    known = getattr(file, "sha256", None)
    if isinstance(known, str):
        return known
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def forget_answers(*fragments: str) -> None:
    """Destroy the stored answers whose body holds one of these: they are about something that is erased."""
    for fragment in fragments:
        IdempotencyRecord.objects.filter(body__contains=fragment).delete()


def forget_answers_of(route: str) -> None:
    """Destroy the stored answers of the addresses that end so: they may repeat what names somebody who is erased."""
    IdempotencyRecord.objects.filter(route__endswith=route).delete()


def _checked(key: str) -> str:
    if not 0 < len(key) <= MAX_LENGTH or not key.isprintable():
        raise Invalid(
            f"Idempotency-Key must be 1 to {MAX_LENGTH} printable characters.", code="invalid_idempotency_key"
        )
    return key


def _route(request: Request) -> str:
    path: str = request.path
    return path if len(path) <= MAX_LENGTH else hashlib.sha256(path.encode()).hexdigest()


def _reserve(request: Request, key: str, digest: str) -> IdempotencyRecord:
    """A new record of ours (status None), or the finished one of the same request."""
    owner = {"user": request.user, "route": _route(request), "key": key}
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            with transaction.atomic():
                return IdempotencyRecord.objects.create(**owner, body_digest=digest)
        except IntegrityError:
            record = _usable(IdempotencyRecord.objects.filter(**owner).first(), digest)
        if record is not None:
            return record
        if time.monotonic() > deadline:
            raise Conflict(
                "The first request with this Idempotency-Key is still running. Ask again in a few seconds.",
                code="idempotency_in_progress",
            )
        time.sleep(0.05)


def _usable(record: IdempotencyRecord | None, digest: str) -> IdempotencyRecord | None:
    """The record when its answer is ready. None: try again (it is being worked on, or has just gone)."""
    if record is None:
        return None
    age = timezone.now() - record.created_at
    if age > (ABANDONED if record.status is None else KEPT):
        IdempotencyRecord.objects.filter(pk=record.pk, status=record.status).delete()
        return None
    if record.body_digest != digest:
        raise Conflict("This Idempotency-Key was used for another body. Use a new key.", code="idempotency_mismatch")
    return record if record.status is not None else None


def _store(record: IdempotencyRecord, response: HttpResponseBase) -> None:
    if not isinstance(response, Response) or response.status_code >= 400:
        record.delete()
        return
    record.status = response.status_code
    record.headers = {name: response[name] for name in KEPT_HEADERS if response.has_header(name)}
    record.body = "" if response.data is None else JSONRenderer().render(response.data).decode()
    record.save(update_fields=["status", "headers", "body"])


def _replay(record: IdempotencyRecord) -> HttpResponse:
    response = HttpResponse(record.body, status=record.status, content_type="application/json")
    for name, value in {**record.headers, "Idempotency-Replayed": "true"}.items():
        response[name] = value
    return response
