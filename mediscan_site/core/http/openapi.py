"""Rules by which views and serializers become the OpenAPI document: what holds for every operation and field stands here once,
so that the document says what is answered without a note at each of them."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, ForeignObjectRel, Model
from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema
from rest_framework import serializers
from rest_framework.permissions import AllowAny

KINDS: Final = ("client_error", "server_error", "validation_error")
# What any operation may answer: something in the request is wrong; a limit is reached; the database, the broker or the storage
# is away.
ANYWHERE: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_ACCEPTABLE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
)
SIGNED_IN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
# Names and passwords, or a token in the body, may be wrong.
SIGNING_IN: Final = frozenset({HTTPStatus.UNAUTHORIZED})
# There is no such row; it is not in the state for it, or its object is damaged.
OF_A_ROW: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})
WRITING: Final = frozenset(
    {
        HTTPStatus.CONFLICT,
        HTTPStatus.LENGTH_REQUIRED,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)
# What an empty text does not look like.
FORMS: Final = ("format", "pattern", "minLength")


class RefusalEntrySerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="One of docs/api-errors.md.")
    detail = serializers.CharField(help_text="What is wrong, and what to do.")
    attr = serializers.CharField(allow_null=True, help_text="The field it is about.")


class RefusalSerializer(serializers.Serializer[Any]):
    """Every refusal has this shape, whatever its status."""

    type = serializers.ChoiceField(choices=KINDS)
    errors = RefusalEntrySerializer(many=True)  # type: ignore[assignment]


class AutoSchema(SpectacularAutoSchema):
    """Refusals follow from an operation's method, path and access; null, the empty choice and CSV from what is behind a field or
    list."""

    def get_operation(self, *arguments: Any, **options: Any) -> Any:
        operation = super().get_operation(*arguments, **options)
        if operation and any(_offers_csv(parameter) for parameter in operation.get("parameters", ())):
            operation["responses"]["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
        return operation

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction=direction)
        if direction != "response":
            return bodies
        missing = sorted(str(int(status)) for status in self._refusals() if str(int(status)) not in bodies)
        return {**bodies, **{status: self._refusal(status) for status in missing}}

    def _refusal(self, status: str) -> Any:
        return self._get_response_for_code(RefusalSerializer, status, ["application/json"])  # type: ignore[no-untyped-call]

    def _refusals(self) -> frozenset[HTTPStatus]:
        refusals = ANYWHERE
        is_open = any(isinstance(permission, AllowAny) for permission in self.view.get_permissions())
        refusals |= SIGNING_IN if is_open else SIGNED_IN
        if "{" in self.path:
            refusals |= OF_A_ROW
        if self.method not in ("GET", "HEAD", "OPTIONS"):
            refusals |= WRITING
        return refusals

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:  # noqa: FBT001, FBT002
        schema = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        if direction != "response" or not isinstance(schema, dict):
            return schema
        if any(column.null for column in _columns(field)) and "type" in schema:
            schema["nullable"] = True
            if "enum" in schema:
                schema["enum"] = [*dict.fromkeys([*schema["enum"], None])]
        if _may_be_blank(field) and "enum" in schema:
            schema["enum"] = [*dict.fromkeys([*schema["enum"], ""])]
        return schema

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        """A text in a form (an address) that may also be empty is a text, where drf-spectacular makes two types of it."""
        super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]
        if not _may_be_blank(field):
            return
        for either in schema.pop("oneOf", [])[:1]:
            schema.update(either)
        for name in FORMS if schema.get("type") == "string" else ():
            schema.pop(name, None)


def _may_be_blank(field: Any) -> bool:
    """DRF takes `allow_blank` from a field that is only read: its column says it then."""
    if not field.read_only:
        return bool(getattr(field, "allow_blank", False))
    return any(bool(column.blank and not column.null) for column in list(_columns(field))[-1:])


def _offers_csv(parameter: dict[str, Any]) -> bool:
    return (parameter["name"], parameter["in"]) == ("format", "query")


def _columns(field: Any) -> Iterator[Any]:
    """The columns on the way from the serializer's model to what the field shows, as far as they can be told."""
    model: type[Model] | None = getattr(getattr(field.parent, "Meta", None), "model", None)
    for name in getattr(field, "source_attrs", None) or ():
        try:
            column = model._meta.get_field(name) if model else None
        except FieldDoesNotExist:
            return
        if column is None or isinstance(column, ForeignObjectRel):
            return
        yield column
        model = column.related_model if isinstance(column, Field) and column.is_relation else None
