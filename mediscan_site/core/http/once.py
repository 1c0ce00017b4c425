"""What a form may say only once. Frameworks take the last of several values in silence; here that is a refusal, and so is a file
that nobody would read."""

from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.utils.datastructures import MultiValueDict
from rest_framework import relations, serializers

from mediscan_site.core.errors import Invalid

MANY = (serializers.ListField, serializers.ListSerializer, serializers.MultipleChoiceField, relations.ManyRelatedField)


def require_once(data: Any, fields: Mapping[str, serializers.Field[Any, Any, Any, Any]]) -> None:
    """Raises Invalid: `several_files` for a second file, `several_values` for a field that contradicts itself, and
    `unexpected_file` for a file under a name that is none of `fields`. JSON is checked where it is read (`parsers`)."""
    if not isinstance(data, MultiValueDict):
        return
    for name, values in data.lists():
        field = fields.get(name)
        if field is None:
            _require_no_file(name, values, fields)
        elif not isinstance(field, MANY):
            _require_one(name, values)


def _require_no_file(name: str, values: list[Any], fields: Mapping[str, Any]) -> None:
    if any(isinstance(value, UploadedFile) for value in values):
        known = [key for key, field in fields.items() if isinstance(field, serializers.FileField)]
        remedy = f"Send it as {' or '.join(known)}." if known else "Leave it out."
        raise Invalid(f"No file is taken under the name {name[:40]}. {remedy}", attr=name[:40], code="unexpected_file")


def _require_one(name: str, values: list[Any]) -> None:
    files = [value for value in values if isinstance(value, UploadedFile)]
    if len(files) > 1 or (files and len(values) > 1):
        detail = (
            f"This call takes one file, and {len(values)} came as {name}. Send each in a call of its own, or a ZIP."
        )
        raise Invalid(detail, attr=name, code="several_files")
    if len(set(map(str, values))) > 1:
        detail = f"{name} was sent {len(values)} times, with different values. Send it once."
        raise Invalid(detail, attr=name, code="several_values")
