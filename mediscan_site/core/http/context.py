"""Where the current request came from, for the audit trail and the log lines. Empty outside a request."""

import logging
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class RequestContext:
    ip: str = ""
    request_id: str = ""


_current: ContextVar[RequestContext] = ContextVar("mediscan_request", default=RequestContext())  # noqa: B039 -- frozen


def current_context() -> RequestContext:
    return _current.get()


def set_context(context: RequestContext) -> None:
    _current.set(context)


class RequestIdFilter(logging.Filter):
    """Puts the id of the request on its log lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_context().request_id or "-"
        return True


class OneLineFilter(logging.Filter):
    """Leaves out the stack trace, which tells nothing when the cause is what the caller sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = record.exc_text = None
        return True
