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
from mediscan_site.core.http.pages import AT_ONCE, MOST_COUNTED, bounded_count, every_row, view_ordering

# What a spreadsheet would run when a cell begins with it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
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
    """What the trail says of a list that leaves. `rows`: counted up to MOST_COUNTED. `filters`: as `kept_filters` gives them."""

    rows: int
    project: int | None = None
    obj: Model | None = None
    filters: Mapping[str, str] = field(default_factory=dict)


def csv_response(
    request: Request, header: Iterable[str], rows: Iterable[Iterable[Any]], *, file_name: str, about: Download
) -> StreamingHttpResponse:
    """The list as a file. Who took it, by which filters, and how many rows is on record before the first one leaves. Of a list too
    long to be counted it says so, and a second record has the number when the last one has left, or the reader has broken off."""
    record_download(request, file_name, about)
    lines = csv_lines(header, rows if about.rows <= MOST_COUNTED else _told(request, rows, file_name, about))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _told(request: Request, rows: Iterable[Any], file_name: str, about: Download) -> Iterator[Any]:
    sent, whole = 0, False
    try:
        for row in rows:
            yield row
            sent += 1
        whole = True
    finally:
        record_download(request, file_name, replace(about, rows=sent), whole=whole)


def record_download(request: Request, file_name: str, about: Download, **ended: bool) -> None:
    """`ended`: said of a long list once it is known how many rows have left (`whole`: all of them)."""
    rows = about.rows if ended or about.rows <= MOST_COUNTED else f"{MOST_COUNTED:,}+"
    details = {"file": file_name, "rows": rows, "filters": dict(about.filters), **ended}
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


def _in_batches(rows: Iterator[Any], shape: Callable[[list[Any]], Any]) -> Iterator[dict[str, Any]]:
    while batch := list(islice(rows, AT_ONCE)):
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
        whole = every_row(queryset, view_ordering(request, self))
        data = (serializer.to_representation(row) for row in whole)
        rows = ([_pick(item, name) for name in header] for item in data)
        name = f"{getattr(self, 'basename', None) or 'list'}.csv"
        return csv_response(request, header, rows, file_name=name, about=self._about(request, queryset))

    def _about(self, request: Request, queryset: QuerySet[Any]) -> Download:
        """The list that leaves. It belongs to a project when it was asked for the project's rows and has some."""
        filters = getattr(getattr(self, "filterset_class", None), "base_filters", {})
        used, rows = kept_filters(request.query_params.dict(), filters), bounded_count(queryset)
        project = used.get("project", "") if rows else ""
        return Download(rows=rows, project=int(project) if project.isdigit() else None, filters=used)

    def rows_below(
        self,
        request: Request,
        queryset: Any,
        shape: Callable[[list[Any]], Any],
        header: Iterable[str],
        *,
        of: Model,
        project: int | None = None,
    ) -> HttpResponseBase:
        """A list below the object `of`, as a page or as CSV. `queryset`: one, or what is filtered, ordered and sliced like one.
        `shape` makes dicts of rows; `header` names their fields."""
        if not wants_csv(request):
            return self.get_paginated_response(shape(self.paginate_queryset(queryset) or []))
        names = tuple(header)
        whole = every_row(queryset, view_ordering(request, self))
        rows = ([item[name] for name in names] for item in _in_batches(whole, shape))
        about = Download(rows=bounded_count(queryset), project=project, obj=of)
        return csv_response(
            request, names, rows, file_name=f"{getattr(self, 'action', None) or 'list'}.csv", about=about
        )
