"""`?format=csv`: the whole filtered list as one streamed CSV file in which no spreadsheet finds formulas."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request

from mediscan_site.core.http.pages import ordered, view_ordering

# What a spreadsheet would run when a cell begins with it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
CHUNK = 500


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


def csv_response(header: Iterable[str], rows: Iterable[Iterable[Any]], *, file_name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(csv_lines(header, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _pick(data: Any, path: str) -> Any:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def wants_csv(request: Request) -> bool:
    return request.query_params.get("format") == "csv"


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
        queryset = ordered(self.filter_queryset(self.get_queryset()), view_ordering(request, self))
        serializer: Any = self.get_serializer()
        header = self.csv_fields or tuple(serializer.fields)
        data = (serializer.to_representation(row) for row in queryset.iterator(chunk_size=CHUNK))
        rows = ([_pick(item, name) for name in header] for item in data)
        return csv_response(header, rows, file_name=f"{getattr(self, 'basename', None) or 'list'}.csv")

    def rows_below(
        self,
        request: Request,
        queryset: QuerySet[Any],
        shape: Callable[[list[Any]], Any],
        header: Iterable[str],
    ) -> HttpResponseBase:
        """A list below an object, as a page or as CSV. `shape` makes dicts of rows; `header` names their fields."""
        if not wants_csv(request):
            return self.get_paginated_response(shape(self.paginate_queryset(queryset) or []))
        names = tuple(header)
        whole = ordered(queryset, view_ordering(request, self)).iterator(chunk_size=CHUNK)
        rows = ([item[name] for name in names] for item in _in_batches(whole, shape))
        return csv_response(names, rows, file_name=f"{getattr(self, 'action', None) or 'list'}.csv")
