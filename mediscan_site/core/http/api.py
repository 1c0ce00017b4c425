"""What the views of every app's API share: parsing, the version as ETag."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.response import Response

from mediscan_site.core.http.once import require_once

IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description='The version you saw, as in "3".')


def stored_bytes(*content_types: str) -> dict[Any, Any]:
    """The answers of a route that gives a stored object of one of these types."""
    return {(200, *content_types): OpenApiTypes.BINARY, 304: None}


def parsed(form: serializers.Serializer[Any]) -> dict[str, Any]:
    """What the request says, checked: each single thing once."""
    require_once(form.initial_data, form.fields)
    form.is_valid(raise_exception=True)
    values: dict[str, Any] = form.validated_data
    return values


def versioned(response: Response) -> Response:
    """The version as ETag: what If-Match of the next change may name."""
    response["ETag"] = f'"{response.data["version"]}"'
    return response
