"""What the filters of every app's lists share."""

from typing import Any

import django_filters
from django.db.models import QuerySet

from mediscan_site.core.http.codes import find_key


class FlagFilter(django_filters.BooleanFilter):  # type: ignore[misc]
    """Yes or no, of a column with an index: as a list of one value, for SQLite uses none for the column or its `NOT` alone."""

    def filter(self, qs: QuerySet[Any], value: bool | None) -> QuerySet[Any]:  # noqa: FBT001 -- as the library calls it
        return qs if value is None else qs.filter(**{f"{self.field_name}__in": [value]})


class CodeFilter(django_filters.CharFilter):  # type: ignore[misc]  # the library has no types
    """By key or public code. What is neither gives an empty list, as a row that does not exist does."""

    def __init__(self, *, prefix: str = "", label: str = "number or code", **kwargs: Any) -> None:
        self.prefix = prefix
        super().__init__(label=label, **kwargs)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        key = find_key(value, self.prefix)
        return qs.none() if key is None else qs.filter(**{self.field_name: key})
