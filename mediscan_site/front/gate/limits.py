"""How much a caller may send to a route, decided before the body is read. The one table of it."""

import hashlib
import time
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.wsgi import WSGIRequest
from django.db import DatabaseError
from django.urls import Resolver404, resolve
from django.utils.module_loading import import_string
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.settings import api_settings

from mediscan_site.front.gate.refusals import Refused, busy, too_large

# What anybody may send anywhere: a name and a password, a few fields.
OPEN_BYTES = 64 * 2**10
# The other fields of a form that carries a file, and what multipart adds.
FORM_BYTES = 2**20
SEND_FILES = "Send files as multipart form data to the route that takes them."
SIGN_IN = "Sign in first."


# Somebody who sends one scan after another is looked up once in this time.
REMEMBERED_S = 10.0
MOST_REMEMBERED = 10_000
_known: dict[bytes, tuple[int, float]] = {}


def _scan() -> int:
    return int(settings.MAX_SCAN_BYTES) + FORM_BYTES


def _import() -> int:
    return int(settings.MAX_IMPORT_BYTES) + FORM_BYTES


# Route and method of everything that takes files, and how much. Every other one takes what Django parses in memory.
LIMITS: dict[tuple[str, str], Callable[[], int]] = {
    ("image-list", "POST"): _scan,
    ("grade-list", "POST"): _scan,
    ("protocol-grade", "POST"): _scan,
    ("grade", "POST"): _scan,
    ("import-list", "POST"): _import,
    ("import-preview", "POST"): _import,
    # Many scans in one form; a ZIP through the protocol's one route of uploads.
    ("upload", "POST"): _import,
    ("protocol-upload", "POST"): _import,
    ("upload-detail", "PUT"): _import,
}


def limit(name: str | None, method: str) -> int:
    """What a signed-in caller may send to the route of this name."""
    known = LIMITS.get((name or "", method))
    return known() if known else int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def takes_files(path: str, method: str) -> bool:
    """Whether a request with this method to this address may bring files."""
    try:
        return (_name(path) or "", method) in LIMITS
    except Resolver404:
        return False


def allowance(environ: dict[str, Any]) -> tuple[int, int]:
    """The caller's key and how many bytes they may send here. Raises Refused for whoever may send only OPEN_BYTES.

    Only a first look, before bytes are taken: Django judges the whole request again."""
    request = WSGIRequest({**environ, "CONTENT_LENGTH": ""})
    try:
        match = resolve(request.path_info)
    except Resolver404:
        raise too_large(OPEN_BYTES, remedy="There is nothing at this address that takes it.") from None
    try:
        user = _caller(request)
    except APIException as error:
        raise _unauthorized(str(error.detail), str(error.get_codes())) from error
    except DatabaseError as error:
        raise busy("The database is busy or away. Try again in a few seconds.") from error
    if user is None:
        if request.path_info.startswith("/api/") and not _is_open(match.func):
            raise _unauthorized("Authentication credentials were not provided.", "not_authenticated")
        raise too_large(OPEN_BYTES, remedy=SIGN_IN)
    _remember(environ, user)
    return user, limit(match.url_name, request.method or "")


def remembered(environ: dict[str, Any]) -> tuple[int, int] | None:
    """The same without the database, for whoever was known a moment ago. Django judges the request itself anyway."""
    user, until = _known.get(_who(environ), (0, 0.0))
    if until < time.monotonic():
        return None
    # As Django reads it.
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    try:
        return user, limit(_name(path), environ["REQUEST_METHOD"].upper())
    except Resolver404:
        return None


@lru_cache(256)
def _name(path: str) -> str | None:
    """The route of an address."""
    return resolve(path).url_name


def _remember(environ: dict[str, Any], user: int) -> None:
    if len(_known) >= MOST_REMEMBERED:
        _known.clear()
    _known[_who(environ)] = (user, time.monotonic() + REMEMBERED_S)


def _who(environ: dict[str, Any]) -> bytes:
    said = f"{environ.get('HTTP_AUTHORIZATION', '')}\n{environ.get('HTTP_COOKIE', '')}"
    return hashlib.sha256(said.encode("latin-1", "replace")).digest()


def _unauthorized(detail: str, code: str) -> Refused:
    challenge = {"WWW-Authenticate": 'Bearer realm="api"'}
    return Refused(HTTPStatus.UNAUTHORIZED, code, detail, challenge)


def _is_open(view: Any) -> bool:
    return AllowAny in getattr(getattr(view, "cls", None), "permission_classes", ())


def _caller(request: WSGIRequest) -> int | None:
    """The key of the account that asks: by the API's own authenticators, else by the session of a page."""
    asked = Request(request)
    kinds: Any = api_settings.DEFAULT_AUTHENTICATION_CLASSES
    for kind in kinds:
        found = None if issubclass(kind, SessionAuthentication) else kind().authenticate(asked)
        if found is not None:
            return int(found[0].pk)
    store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    session: SessionBase = store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    request.session = session
    user = get_user(request)
    return int(user.pk) if user.is_authenticated and user.pk else None
