"""The few errors a service may raise, and what errors of Django, the database and the storage mean to a caller."""

import errno
from http import HTTPStatus
from typing import ClassVar

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent, TooManyFilesSent
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import UnreadablePostError

from mediscan_site.core.storage.envelope import DamagedObject
from mediscan_site.core.storage.foreign import ForeignStore
from mediscan_site.core.storage.keyfile import KeysError


class DomainError(Exception):
    """A refusal. `detail` says what is wrong and what to do; `attr` names the field it is about."""

    status: ClassVar[int] = HTTPStatus.BAD_REQUEST
    default_code: ClassVar[str] = "invalid"
    # Seconds after which the same request may succeed.
    default_retry_after: ClassVar[int | None] = None

    def __init__(
        self, detail: str, *, code: str | None = None, attr: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.attr = attr
        self.retry_after = self.default_retry_after if retry_after is None else retry_after


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


class LengthRequired(DomainError):
    status = HTTPStatus.LENGTH_REQUIRED
    default_code = "length_required"


class TooLarge(DomainError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class UnsupportedMedia(DomainError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    default_code = "unsupported_media_type"


class TooMany(DomainError):
    """The caller's share is used up. Each such refusal says after how many seconds to ask again."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    default_code = "throttled"
    default_retry_after = 30


class Unavailable(DomainError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_retry_after = 5


class StorageFull(Unavailable, SuspiciousOperation):
    """No room. Also one of Django's refusals, because the body of a form is read where only those become an answer."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    default_code = "storage_full"
    default_retry_after = 60

    def __init__(self) -> None:
        super().__init__(
            "The server's disk is full, so nothing was stored. Ask an administrator to make room, then do it again."
        )


class Contended(Unavailable):
    default_code = "deadlock"
    default_retry_after = 1


# The servers' codes: a deadlock or a serialization failure, whose victim may come again at once; and a lock that somebody
# else held for longer than we wait.
_DEADLOCKS = (1213, "40001", "40P01")
_LOCK_WAITS = (1205, "55P03")
_SQLITE_LOCKED = ("database is locked", "database table is locked")
# What databases say when their disk is full: MySQL and PostgreSQL by these codes, SQLite and MySQL's files in words.
_FULL = (1021, 1114, "53100")
_SAID_FULL = ("database or disk is full", "Errcode: 28", "No space left on device")


def ended_by_database(error: BaseException) -> bool:
    """Whether the database ended a transaction that may succeed when it is done again at once."""
    return isinstance(error, OperationalError) and not _codes(error).isdisjoint(_DEADLOCKS)


def waited_for_lock(error: BaseException) -> bool:
    """Whether somebody held what was wanted for longer than this process waits (`mediscan_site.patience`)."""
    if not isinstance(error, OperationalError):
        return False
    return not _codes(error).isdisjoint(_LOCK_WAITS) or str(error).startswith(_SQLITE_LOCKED)


def database_away(error: BaseException) -> bool:
    """Whether it was not our statement: the database could not be asked, or gave no answer."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return not ended_by_database(error) and not waited_for_lock(error) and not is_full(error)


def is_full(error: BaseException) -> bool:
    """Whether it means that a disk is full: ours, or the database's."""
    if isinstance(error, StorageFull):
        return True
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not isinstance(error, DatabaseError):
        return False
    return any(words in str(error) for words in _SAID_FULL) or not _codes(error).isdisjoint(_FULL)


def _codes(error: DatabaseError) -> set[object]:
    """What the server called it: MySQL in the first argument, PostgreSQL in the driver's own error."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    return {number, getattr(error.__cause__, "sqlstate", None)}


def _of_object_store(error: Exception) -> bool:
    """Errors of boto3, which most sites never load."""
    return type(error).__module__.startswith("botocore.")


LOCKED = "Somebody else is changing this and holds it. Nothing was changed: send it again in a few seconds."
STORE_AWAY = (
    "The store of the scans is away or refuses. Try again in a few seconds; tell an administrator if it stays so."
)
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
    (InterfaceError, Unavailable("The database is busy or away. Try again in a few seconds.")),
    (
        KeysError,
        Unavailable(
            "The key file of this site is missing or is not its own, so nothing is stored or read. Tell an administrator: the "
            "log says what to do.",
            code="keys_unusable",
        ),
    ),
    (
        ForeignStore,
        Unavailable(
            "The store of objects is not this site's own, so nothing is stored. Tell an administrator: the log says what to do.",
            code="store_foreign",
        ),
    ),
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
    if waited_for_lock(error):
        return Unavailable(LOCKED, code="locked")
    if _of_object_store(error):
        return Unavailable(STORE_AWAY)
    return next((known for kind, known in _TRANSLATIONS if isinstance(error, kind)), None)
