"""Errors as the API answers them: `{"type", "errors": [{"code", "detail", "attr"}]}`."""

from http import HTTPStatus
from typing import Any

from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse
from rest_framework import exceptions

from mediscan_site.core.errors import DomainError, translate
from mediscan_site.core.http import outage
from mediscan_site.core.refusals import note_request


class _DomainAPIError(exceptions.APIException):
    """A DomainError as an exception that DRF knows."""

    def __init__(self, error: DomainError) -> None:
        self.status_code = error.status
        self.attr = error.attr
        # DRF's name for what becomes Retry-After.
        self.wait = error.retry_after
        super().__init__(error.detail, error.code)


def _as_api_error(error: DomainError) -> exceptions.APIException:
    if error.status != HTTPStatus.BAD_REQUEST:
        return _DomainAPIError(error)
    detail = [exceptions.ErrorDetail(error.detail, error.code)]
    return exceptions.ValidationError({error.attr: detail} if error.attr else detail)


class Handler(ExceptionHandler):
    def convert_known_exceptions(self, exc: Exception) -> Exception:
        known = translate(exc)
        outage.watch.noticed(exc)
        meant: Exception = _as_api_error(known) if known else super().convert_known_exceptions(exc)
        if getattr(meant, "status_code", None) == HTTPStatus.FORBIDDEN:
            note_request(self.context.get("request"), known.code if known else "permission_denied")
        return meant


class Formatter(ExceptionFormatter):
    """The package's shape; a refusal that is not a validation error may name its field too."""

    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        body: dict[str, Any] = super().format_error_response(error_response)
        attr = getattr(self.exc, "attr", None)
        for entry in body["errors"] if attr else ():
            entry["attr"] = attr
        return body
