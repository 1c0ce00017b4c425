"""Writes whose transaction the database ended, because another one held what it wanted, are repeated: whole, a few times.

That is safe only while the request has committed nothing (every commit is noticed here; wake-ups of workers go out on commit)
and while its body can be read again: no files, no stream. Else the caller is asked to send it again (`errors.Contended`)."""

import logging
from collections.abc import Callable
from functools import partial
from http import HTTPMethod
from typing import Any, Final, TypeVar

from django.db import OperationalError, connection
from django.http import HttpRequest
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request

from mediscan_site.core.again import rest
from mediscan_site.core.errors import ended_by_database

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
PAUSES_S: Final = (0.05, 0.2, 0.5)
SAFE: Final = (HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.OPTIONS)
# Parsed once and kept with the request.
READ_AGAIN: Final = ("", "application/json", "application/x-www-form-urlencoded")
WRITES: Final = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class Commits:
    """An execute wrapper that notices commits: a write outside a transaction, or a transaction that ended well."""

    def __init__(self) -> None:
        self.any = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: Any, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.lstrip().upper().startswith(WRITES):
            if connection.in_atomic_block:
                connection.on_commit(self._note)
            else:
                self._note()
        return result

    def _note(self) -> None:
        self.any = True


def repeatable(request: HttpRequest) -> bool:
    """Whether the request writes and can be read again."""
    return request.method not in SAFE and (request.content_type or "") in READ_AGAIN


def repeated(call: Callable[[], Answer]) -> Answer:
    """What `call` returns, repeated while the database ends its transaction and nothing is committed yet.

    Inside somebody else's transaction it is done once: that one has ended too."""
    if connection.in_atomic_block:
        return call()
    for pause in PAUSES_S:
        commits = Commits()
        try:
            with connection.execute_wrapper(commits):
                return call()
        except OperationalError as error:
            if commits.any or not ended_by_database(error):
                raise
            log.info("The database ended a transaction, which is repeated: %s", error)
        rest(pause)
    return call()


class RepeatMixin(GenericAPIView[Any]):
    """Repeats the handlers of an API view. An `Idempotency-Key` is reserved once, around all of it."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if repeatable(request._request):
            # DRF looks the handler up after this call.
            name = str(request.method).lower()
            handler = getattr(self, name, self.http_method_not_allowed)
            setattr(self, name, partial(_handle, handler))


def _handle(handler: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
    return repeated(partial(handler, *args, **kwargs))
