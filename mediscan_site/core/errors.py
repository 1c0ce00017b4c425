"""The few errors a service may raise, and what errors of Django, the database and the storage mean to a caller."""

import errno
from http import HTTPStatus
from typing import ClassVar

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent, TooManyFilesSent
from django.db import DatabaseError, OperationalError
from django.http import UnreadablePostError

from mediscan_site.core.storage.envelope import DamagedObject


class DomainError(Exception):
    """A refusal. `detail` says what is wrong and what to do; `attr` names the field it is about."""

    status: ClassVar[int] = HTTPStatus.BAD_REQUEST
    default_code: ClassVar[str] = "invalid"
    # Seconds after which the same request may succeed.
    retry_after: ClassVar[int | None] = None

    def __init__(self, detail: str, *, code: str | None = None, attr: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.attr = attr


class Invalid(DomainError):
    pass


class NotFound(DomainError):
    status = HTTPStatus.NOT_FOUND
    default_code = "not_found"


class Forbidden(DomainError):
    status = HTTPStatus.FORBIDDEN
    default_code = "permission_denied"


class FourEyes(Forbidden):
    default_code = "four_eyes"


class Conflict(DomainError):
    status = HTTPStatus.CONFLICT
    default_code = "conflict"


class Stale(DomainError):
    status = HTTPStatus.PRECONDITION_FAILED
    default_code = "stale_version"


class TooLarge(DomainError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class UnsupportedMedia(DomainError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    default_code = "unsupported_media_type"


class Unavailable(DomainError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "unavailable"


class StorageFull(Unavailable, SuspiciousOperation):
    """No room. Also one of Django's refusals, because the body of a form is read where only those become an answer."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    default_code = "storage_full"
    retry_after = 60

    def __init__(self) -> None:
        super().__init__(
            "The server's disk is full, so nothing was stored. Ask an administrator to make room, then do it again."
        )


class Contended(Unavailable):
    default_code = "deadlock"
    retry_after = 1


# The server's codes for a deadlock, a lock wait that took too long, and a serialization failure.
_MYSQL_ENDED = (1205, 1213)
_POSTGRES_ENDED = ("40001", "40P01")
# What databases say when their disk is full: SQLite in words, MySQL by these codes or the system's, PostgreSQL by its state.
_MYSQL_FULL = (1021, 1114)
_POSTGRES_FULL = "53100"
_SAID_FULL = ("database or disk is full", "Errcode: 28", "No space left on device")


def ended_by_database(error: BaseException) -> bool:
    """Whether the database ended a transaction that may succeed when it is done again."""
    if not isinstance(error, OperationalError):
        return False
    return error.args[:1] in [(code,) for code in _MYSQL_ENDED] or _sqlstate(error) in _POSTGRES_ENDED


def is_full(error: BaseException) -> bool:
    """Whether it means that a disk is full: ours, or the database's."""
    if isinstance(error, StorageFull):
        return True
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not isinstance(error, DatabaseError):
        return False
    said = any(words in str(error) for words in _SAID_FULL)
    return said or error.args[:1] in [(code,) for code in _MYSQL_FULL] or _sqlstate(error) == _POSTGRES_FULL


def _sqlstate(error: DatabaseError) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


# What Django and the storage raise, and what it means to a caller. The first match wins.
_TRANSLATIONS: tuple[tuple[type[Exception], DomainError], ...] = (
    (RequestDataTooBig, TooLarge("The request body is too large. Send files as multipart form data.")),
    (TooManyFieldsSent, Invalid("The request has too many fields. Send fewer in one request.")),
    (TooManyFilesSent, Invalid("The request has too many files. Send fewer in one request, or one ZIP file.")),
    (
        UnreadablePostError,
        Invalid("The connection was lost before the whole body had arrived. Send it again.", code="incomplete"),
    ),
    (SuspiciousOperation, Invalid("The request is malformed and was refused.")),
    (OperationalError, Unavailable("The database is busy or away. Try again in a few seconds.")),
    (
        DamagedObject,
        Conflict(
            "The stored file is damaged and is not served. Ask an administrator to run verify_images and restore it.",
            code="integrity_error",
        ),
    ),
)


def translate(error: Exception) -> DomainError | None:
    """The DomainError for an exception of Django, the database or the storage; None when it is a real fault of ours."""
    if isinstance(error, DomainError):
        return error
    if ended_by_database(error):
        return Contended("Others were changing the same rows, several times in a row. Send it again in a moment.")
    if is_full(error):
        return StorageFull()
    return next((known for kind, known in _TRANSLATIONS if isinstance(error, kind)), None)
