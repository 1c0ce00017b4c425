"""Which refusals the OpenAPI document promises for an operation, beside those that drf-standardized-errors finds out."""

from http import HTTPStatus
from typing import Any, Final

from drf_standardized_errors.openapi import AutoSchema as StandardAutoSchema
from rest_framework import serializers
from rest_framework.permissions import AllowAny

KINDS: Final = ("client_error", "server_error", "validation_error")
# What any operation may answer: a limit that is reached; the database, the broker or the storage away.
ANYWHERE: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
SIGNED_IN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
# Names and passwords, or a token in the body, may be wrong.
SIGNING_IN: Final = frozenset({HTTPStatus.UNAUTHORIZED})
# The row is not in the state for it, or its object is damaged.
OF_A_ROW: Final = frozenset({HTTPStatus.CONFLICT})
WRITING: Final = frozenset(
    {
        HTTPStatus.CONFLICT,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)


class RefusalEntrySerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="One of docs/api-errors.md.")
    detail = serializers.CharField(help_text="What is wrong, and what to do.")
    attr = serializers.CharField(allow_null=True, help_text="The field it is about.")


class RefusalSerializer(serializers.Serializer[Any]):
    """Every refusal has this shape, whatever its status."""

    type = serializers.ChoiceField(choices=KINDS)
    errors = RefusalEntrySerializer(many=True)  # type: ignore[assignment]


class AutoSchema(StandardAutoSchema):
    """Adds the refusals that services raise: which of them an operation may meet follows from its method, path and access."""

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction=direction)
        if direction != "response":
            return bodies
        missing = sorted(str(int(status)) for status in self._refusals() if str(int(status)) not in bodies)
        return {**bodies, **{status: self._refusal(status) for status in missing}}

    def _refusal(self, status: str) -> Any:
        return self._get_response_for_code(RefusalSerializer, status)  # type: ignore[no-untyped-call]

    def _refusals(self) -> frozenset[HTTPStatus]:
        refusals = ANYWHERE
        is_open = any(isinstance(permission, AllowAny) for permission in self.view.get_permissions())
        refusals |= SIGNING_IN if is_open else SIGNED_IN
        if "{" in self.path:
            refusals |= OF_A_ROW
        if self.method not in ("GET", "HEAD", "OPTIONS"):
            refusals |= WRITING
        return refusals
