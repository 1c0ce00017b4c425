"""`?format=csv`: the whole filtered list as one streamed CSV file in which no spreadsheet finds formulas."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request

from mediscan_site.core import audit
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.codes import find_key
from mediscan_site.core.http.filters import CodeFilter
from mediscan_site.core.http.pages import MOST_COUNTED, bounded_count, keyset_page, view_ordering

# What a spreadsheet would run when a cell begins with it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
CHUNK = 500
NOT_KEPT = "(not kept)"
# Only what passed their check reaches the trail.
HARMLESS = (django_filters.ChoiceFilter, django_filters.IsoDateTimeFilter, django_filters.NumberFilter)


def quoted(value: Any) -> Any:
    """A text that a spreadsheet would run gets a leading quote; all else stays what it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def unquoted(text: str) -> str:
    """The text without the quote that `quoted` put before it."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA_STARTS) else text


def safe_cell(value: Any) -> Any:
    """A value as a cell: None is empty, numbers stay numbers, structures become JSON, formulas get a leading quote."""
    if value is None:
        return ""
    if isinstance(value, dict | list | tuple):
        value = json.dumps(value, ensure_ascii=False)
    return quoted(value)


class _Echo:
    """A file that gives back what is written, so that csv.writer makes lines for a stream."""

    def write(self, text: str) -> str:
        return text


def csv_lines(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow([safe_cell(name) for name in header])
    for row in rows:
        yield writer.writerow([safe_cell(value) for value in row])


@dataclass(frozen=True)
class Download:
    """What the trail says of a list that leaves. `more`: it has more than `rows`, for a file begins to leave before a million of
    them are counted. `filters`: as `kept_filters` gives them."""

    rows: int
    project: int | None = None
    obj: Model | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    more: bool = False

    @classmethod
    def of(cls, queryset: QuerySet[Any], **about: Any) -> "Download":
        """Of a list of any length: no more than MOST_COUNTED rows are counted."""
        found = bounded_count(queryset)
        return cls(min(found, MOST_COUNTED), more=found > MOST_COUNTED, **about)


def csv_response(
    request: Request, header: Iterable[str], rows: Iterable[Iterable[Any]], *, file_name: str, about: Download
) -> StreamingHttpResponse:
    """The list as a file. Who took it, by which filters, and how many rows it has at least is on record before one leaves."""
    record_download(request, file_name, about)
    response = StreamingHttpResponse(csv_lines(header, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def record_download(request: Request, file_name: str, about: Download) -> None:
    details = {"file": file_name, "rows": about.rows, "filters": dict(about.filters)}
    if about.more:
        details["and_more"] = True
    with transaction.atomic():
        audit.record("list.download", actor=caller(request), obj=about.obj, project=about.project, details=details)


def kept_filters(given: Mapping[str, str], filters: Mapping[str, Any]) -> dict[str, str]:
    """The filters that were used. Of those into which people type, only that they were: a name may be in it."""
    return {name: _kept(filters[name], value) for name, value in given.items() if value and name in filters}


def _kept(used: Any, value: str) -> str:
    if isinstance(used, CodeFilter):
        return str(find_key(value, used.prefix) or NOT_KEPT)
    return value if isinstance(used, HARMLESS) else NOT_KEPT


def _pick(data: Any, path: str) -> Any:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def wants_csv(request: Request) -> bool:
    return request.query_params.get("format") == "csv"


def every_row(queryset: QuerySet[Any], ordering: str) -> Iterator[Any]:
    """The whole list, some rows at a time: the first leaves at once, and memory holds no more of them, however many there are. A
    cursor of the database would do neither: PostgreSQL fills one that outlives its statement before it gives the first row."""
    cursor: str | None = None
    while True:
        page = keyset_page(queryset, ordering=ordering, cursor=cursor, size=CHUNK)
        yield from page.rows
        if page.next is None:
            return
        cursor = page.next


def _in_batches(rows: Iterator[Any], shape: Callable[[list[Any]], Any]) -> Iterator[dict[str, Any]]:
    while batch := list(islice(rows, CHUNK)):
        yield from shape(batch)


class CsvMixin(GenericAPIView[Any]):
    """Answers the list action with CSV when asked. `csv_fields`: names of the serializer's fields, a dot goes into a
    nested one (`resolution.width`); empty: all of them."""

    csv_fields: ClassVar[tuple[str, ...]] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if getattr(self, "action", "") == "list" and wants_csv(request):
            # DRF looks the handler up after this call. So it works whichever mixin the app takes its list from.
            self.get = self.csv_list

    def csv_list(self, request: Request, *args: Any, **kwargs: Any) -> StreamingHttpResponse:
        queryset = self.filter_queryset(self.get_queryset())
        serializer: Any = self.get_serializer()
        header = self.csv_fields or tuple(serializer.fields)
        data = map(serializer.to_representation, every_row(queryset, view_ordering(request, self)))
        rows = ([_pick(item, name) for name in header] for item in data)
        name = f"{getattr(self, 'basename', None) or 'list'}.csv"
        return csv_response(request, header, rows, file_name=name, about=self._about(request, queryset))

    def _about(self, request: Request, queryset: QuerySet[Any]) -> Download:
        """The list that leaves. It belongs to a project when it was asked for the project's rows and has some."""
        filters = getattr(getattr(self, "filterset_class", None), "base_filters", {})
        used = kept_filters(request.query_params.dict(), filters)
        about = Download.of(queryset, filters=used)
        project = used.get("project", "") if about.rows else ""
        return replace(about, project=int(project)) if project.isdigit() else about

    def rows_below(
        self,
        request: Request,
        queryset: QuerySet[Any],
        shape: Callable[[list[Any]], Any],
        header: Iterable[str],
        *,
        of: Model,
        project: int | None = None,
    ) -> HttpResponseBase:
        """A list below the object `of`, as a page or as CSV. `shape` makes dicts of rows; `header` names their fields."""
        if not wants_csv(request):
            return self.get_paginated_response(shape(self.paginate_queryset(queryset) or []))
        names = tuple(header)
        whole = every_row(queryset, view_ordering(request, self))
        rows = ([item[name] for name in names] for item in _in_batches(whole, shape))
        about = Download.of(queryset, project=project, obj=of)
        return csv_response(
            request, names, rows, file_name=f"{getattr(self, 'action', None) or 'list'}.csv", about=about
        )
