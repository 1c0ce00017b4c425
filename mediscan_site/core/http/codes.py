"""Public codes such as `img000123` as well as plain keys: in paths, in bodies and on the command line."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.db.models import Model, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView

from mediscan_site.core.errors import Invalid, NotFound
from mediscan_site.core.http.digits import whole_number


def parse_code(prefix: str, value: object) -> int:
    """The database key in `12`, `"12"` or `"img000012"` (prefix `img`). Raises Invalid for anything else."""
    text = "" if isinstance(value, bool) else str(value).strip()
    key = whole_number(text.removeprefix(prefix))
    if key is None:
        example = f' or its code, as in "{prefix}000001"' if prefix else ""
        raise Invalid(f"This is not an identifier. Give the number{example}.")
    return key


def find_key(value: object, prefix: str = "") -> int | None:
    """The same where anything else is just not there: in filters and links."""
    try:
        return parse_code(prefix, value)
    except Invalid:
        return None


# A number in JSON is taken too. Clients are made of the one form that both a key and a code have.
CODE: Final = {"type": "string"}


@extend_schema_field(CODE)
class CodeField(serializers.PrimaryKeyRelatedField[Any]):
    """A reference to a row by key or code, among those `visible_to(user)`. Else 400 `does_not_exist`."""

    def __init__(self, *, prefix: str = "", visible_to: Callable[[Any], QuerySet[Any]], **kwargs: Any) -> None:
        self.prefix = prefix
        self.visible_to = visible_to
        super().__init__(**kwargs)

    def get_queryset(self) -> QuerySet[Any]:
        return self.visible_to(self.context["request"].user)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool) or not isinstance(data, int | str):
            self.fail("incorrect_type", data_type=type(data).__name__)
        try:
            return super().to_internal_value(parse_code(self.prefix, data))
        except Invalid:
            self.fail("does_not_exist", pk_value=data)


class CodeLookupMixin(GenericAPIView[Any]):
    """Finds the object of a path by key or code in the view's queryset, which starts from `visible_to`: else 404."""

    code_prefix: ClassVar[str] = ""
    lookup_value_regex: ClassVar[str] = "[A-Za-z0-9]+"

    def get_object(self) -> Any:
        try:
            pk = parse_code(self.code_prefix, self.kwargs[self.lookup_url_kwarg or self.lookup_field])
        except Invalid as error:
            raise NotFound("There is no such object, or it is not visible to you.") from error
        row: Model = get_object_or_404(self.get_queryset(), pk=pk)
        self.check_object_permissions(self.request, row)
        return row
