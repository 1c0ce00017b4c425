"""Where the current request came from, for the audit trail and the log lines. Empty outside a request."""

import logging
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from celery import current_task


@dataclass(frozen=True)
class UsedToken:
    """The service token that a request, or the work it asked for, is done with. `made_by`: who has seen it."""

    id: int
    name: str
    made_by: int | None


@dataclass(frozen=True)
class RequestContext:
    ip: str = ""
    request_id: str = ""
    token: UsedToken | None = None


_current: ContextVar[RequestContext] = ContextVar("mediscan_request", default=RequestContext())  # noqa: B039 -- frozen


def current_context() -> RequestContext:
    return _current.get()


def set_context(context: RequestContext) -> None:
    _current.set(context)


def use_token(token: UsedToken | None) -> None:
    """From now on what is done here is done with this token."""
    set_context(replace(_current.get(), token=token))


def token_maker() -> int | None:
    """The account that made the token in use, and so could do by itself what is done with it; None without a token."""
    token = _current.get().token
    return token.made_by if token else None


class ContextFilter(logging.Filter):
    """Puts the id of the request on its log lines, and name and id of the task on those of a worker."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_context().request_id or "-"
        task: Any = current_task
        if task and not hasattr(record, "task"):
            record.task, record.task_id = task.name, task.request.id
        return True


class OneLineFilter(logging.Filter):
    """Leaves out the stack trace, which tells nothing when the cause is what the caller sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = record.exc_text = None
        return True
