"""What a line of the log is, for settings.LOGGING. `LOG_FORMAT=json`: one JSON object a line, with the request or task it belongs
to, and one line for each request and task; else plain lines for people.

A log goes where no rule about patients' data follows it. So neither format shows addresses as they were typed (they hold tokens and
what people searched for), and JSON, which is made to be sent elsewhere, has fields from one list only, and of an error its
kind and where it happened, not its text: databases quote rows in theirs."""

import copy
import logging
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

from django.db import Error
from pythonjsonlogger.json import JsonFormatter

FORMATS: Final = ("line", "json")
REQUESTS: Final = "mediscan.requests"
TASKS: Final = "mediscan.tasks"
# Every field that a JSON line may have beside its time and those of FIXED. `user`: the key of an account; `row`: that of a job.
EXTRAS: Final = ("request_id", "task", "task_id", "user", "route", "method", "status", "duration_ms", "row", "state")
FIXED: Final = {"levelname": "level", "name": "logger", "message": "message"}
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
# Celery's own lines about each task quote its error and its arguments; ours take their place (`core.narrating`).
_QUIET: Final = ("celery.app.trace", "celery.worker.strategy")


class Formatter(JsonFormatter):
    """JSON with the fields of EXTRAS alone."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(_without_rows(record))

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        for name, shown in FIXED.items():
            log_data[shown] = getattr(record, name, None)
        known = {name: vars(record).get(name) for name in EXTRAS}
        log_data.update({name: value for name, value in known.items() if value not in (None, "", "-")})
        if record.exc_info:
            log_data["error"] = self.formatException(record.exc_info)

    def formatException(self, ei: ExcInfo) -> Any:  # noqa: N802 -- logging's name
        """The kinds of the error and of what caused it, and the innermost calls, without what either of them says."""
        found: BaseException | None = ei[1]
        kinds: list[str] = []
        while found is not None and len(kinds) < 5:
            kinds.append(f"{type(found).__module__}.{type(found).__qualname__}")
            found = found.__cause__ or found.__context__
        calls = traceback.extract_tb(ei[2])[-12:]
        return {"kinds": kinds, "calls": [f"{call.filename}:{call.lineno} {call.name}" for call in calls]}


def _without_rows(record: logging.LogRecord) -> logging.LogRecord:
    """The same line, in whose words an error of the database is its kind alone."""
    if not isinstance(record.args, tuple) or not any(isinstance(value, Error) for value in record.args):
        return record
    discreet = copy.copy(record)
    discreet.args = tuple(type(value).__qualname__ if isinstance(value, Error) else value for value in record.args)
    return discreet


class NoAddressFilter(logging.Filter):
    """Django's lines name the address that was asked for; ours name its route."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = vars(record).get("request")
        path = getattr(request, "path", None)
        if path and isinstance(record.args, tuple):
            match = getattr(request, "resolver_match", None)
            route = f"/{match.route}" if match else "(no such address)"
            record.args = tuple(route if value == path else value for value in record.args)
        return True


def config(form: str, level: str) -> dict[str, Any]:
    """Django's LOGGING. `form`: one of FORMATS."""
    is_json = form == "json"
    formats = {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"},
        "json": {"()": "mediscan_site.logs.Formatter"},
    }
    quiet = {name: {"level": "CRITICAL"} for name in _QUIET} if is_json else {}
    own = {name: {"level": "INFO" if is_json else "WARNING"} for name in (REQUESTS, TASKS)}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "context": {"()": "mediscan_site.core.http.context.ContextFilter"},
            "one-line": {"()": "mediscan_site.core.http.context.OneLineFilter"},
            "no-address": {"()": "mediscan_site.logs.NoAddressFilter"},
        },
        "formatters": {form: formats[form]},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": form, "filters": ["context", "no-address"]}
        },
        # Anybody can send a Host that is not ours: a line of the log, not a page of it.
        "loggers": {"django.security.DisallowedHost": {"filters": ["one-line"]}, **own, **quiet},
        "root": {"handlers": ["console"], "level": level},
    }
