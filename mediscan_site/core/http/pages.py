"""Pages of a list by keyset on (ordering field, id): no row twice, none left out, however many rows share a value.

DRF's own cursor pagination loops or stops on long runs of equal values (3,000 scans of one import), see
findings/drf_cursor_pages_never_end.sh.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import signing
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from mediscan_site.core.database import upto
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.digits import whole_number

DEFAULT_SIZE = 50
MAX_SIZE = 200
# Rows of a whole list that are held at a time.
AT_ONCE = 500
# A longer list is "10,000+": a count reads every row.
MOST_COUNTED = 10_000
_SIGNER = signing.Signer(salt="mediscan.keyset")


@dataclass(frozen=True)
class Page:
    """Rows in list order and the cursors of the neighbouring pages (None: there is none)."""

    rows: list[Any]
    next: str | None
    previous: str | None


@dataclass(frozen=True)
class _Cursor:
    backward: bool
    value: Any
    pk: int


def ordered(queryset: QuerySet[Any], ordering: str, *, backward: bool = False) -> QuerySet[Any]:
    """The queryset by `ordering` (a field, `-` for descending) and then by id in the same direction."""
    name = ordering.lstrip("-")
    sign = "-" if ordering.startswith("-") != backward else ""
    return queryset.order_by(*dict.fromkeys((f"{sign}{name}", f"{sign}pk")))


def keyset_page(queryset: QuerySet[Any], *, ordering: str, cursor: str | None, size: int) -> Page:
    """One page of `size` rows. The ordering field must not be null. Raises Invalid for a cursor that is not ours.

    Two queries: which rows, then the rows. Asked for both at once, MySQL may begin at a small table that the rows are joined
    with, and sort all of them, whole, for one page."""
    at = _decode(cursor, queryset, ordering) if cursor else None
    backward = at is not None and at.backward
    places = _places(queryset.filter(_beyond(at, ordering)) if at else queryset, ordering, backward, size + 1)
    more, places = len(places) > size, places[:size]
    if backward:
        places.reverse()
    has_next, has_previous = (bool(places), more) if backward else (more, at is not None and bool(places))
    return Page(
        rows=_loaded(queryset, [pk for _, pk in places]),
        next=_encode(places[-1], ordering, backward=False) if has_next else None,
        previous=_encode(places[0], ordering, backward=True) if has_previous else None,
    )


def every_row(queryset: QuerySet[Any], ordering: str) -> Iterator[Any]:
    """The whole list, page by page: the first row comes as soon as that of a page, and no more than a page is held, also where the
    driver holds the whole answer to a query (MySQL). A row that changes its place meanwhile may be missed or come twice."""
    cursor: str | None = None
    while True:
        page = keyset_page(queryset, ordering=ordering, cursor=cursor, size=AT_ONCE)
        yield from page.rows
        cursor = page.next
        if cursor is None:
            return


def _places(rows: QuerySet[Any], ordering: str, backward: bool, most: int) -> list[tuple[Any, int]]:  # noqa: FBT001
    """(value of the ordering field, key) of the first rows in list order, without what is only shown of them."""
    names = tuple(dict.fromkeys((_key_name(ordering), "pk")))
    found = ordered(rows, ordering, backward=backward).prefetch_related(None).values_list(*names)[:most]
    return [(place[0], place[-1]) for place in found]


def _loaded(queryset: QuerySet[Any], keys: Sequence[int]) -> list[Any]:
    """The rows of these keys in their order. One that left the list in between is left out."""
    if not keys:
        return []
    rows = {row.pk: row for row in queryset.order_by().filter(pk__in=keys)}
    return [rows[key] for key in keys if key in rows]


def bounded_count(queryset: Any) -> int:
    """How many rows of a queryset, or of what is sliced like one; of them no more than MOST_COUNTED + 1 are read."""
    rows: Any = queryset.order_by()[: MOST_COUNTED + 1]
    # What walks several indexes (`labeling.reading.walk`) gives its rows themselves.
    return len(rows) if isinstance(rows, list) else rows.count()


def place_of(queryset: QuerySet[Any], ordering: str, page: Page, *, total: int | None = None) -> tuple[int, int]:
    """How many rows come before this page, and how many there are, both bounded as above: one query. `total`: how many there are,
    where that is known."""
    if not page.rows:
        return 0, bounded_count(queryset) if total is None else total
    first = page.rows[0]
    at = _Cursor(backward=True, value=getattr(first, ordering.lstrip("-")), pk=first.pk)
    parts = {"total": queryset} if total is None else {}
    parts |= {"before": queryset.filter(_beyond(at, ordering))} if page.previous else {}
    if not parts:
        return 0, total or 0
    counts = {name: upto(rows, MOST_COUNTED) for name, rows in parts.items()}
    found: Any = queryset.model._default_manager.filter(pk=first.pk).values(**counts).first() or {}
    return found.get("before", 0), found.get("total", 0) if total is None else total


def page_size(raw: str | None) -> int:
    """Rows per page: 50 unless asked, never more than 200. Raises Invalid for anything but a positive number."""
    if raw is None:
        return DEFAULT_SIZE
    size = whole_number(raw)
    if not size:
        raise Invalid(f"page_size must be a whole number from 1 to {MAX_SIZE}.", attr="page_size")
    return min(size, MAX_SIZE)


def chosen_ordering(raw: str | None, *, allowed: Sequence[str], default: str) -> str:
    """The ordering asked for, if it is on the list. Raises Invalid otherwise."""
    if not raw:
        return default
    if raw.removeprefix("-") not in allowed:
        raise Invalid(f"Order by one of: {', '.join(allowed)} (with - in front for descending).", attr="ordering")
    return raw


def view_ordering(request: Request, view: Any) -> str:
    chosen = chosen_ordering(
        request.query_params.get("ordering"),
        allowed=getattr(view, "ordering_fields", ("id",)),
        default=getattr(view, "ordering", "-id"),
    )
    return standing_in(chosen, getattr(view, "ordering_keys", {}))


def standing_in(ordering: str, keys: Mapping[str, str]) -> str:
    """The ordering by what stands in for a field that may be null: `keys` names it."""
    name = ordering.removeprefix("-")
    return f"{ordering[: -len(name)]}{keys.get(name, name)}"


def _beyond(at: _Cursor, ordering: str) -> Q:
    name = ordering.lstrip("-")
    way = "lt" if ordering.startswith("-") != at.backward else "gt"
    if name in {"id", "pk"}:
        return Q(**{f"pk__{way}": at.pk})
    # The first condition is implied by the second; without it MySQL and SQLite do not walk the index.
    return Q(**{f"{name}__{way}e": at.value}) & (Q(**{f"{name}__{way}": at.value}) | Q(**{f"pk__{way}": at.pk}))


def _key_name(ordering: str) -> str:
    name = ordering.lstrip("-")
    return "pk" if name == "id" else name


def _encode(place: tuple[Any, int], ordering: str, *, backward: bool) -> str:
    value, pk = place
    plain = value.isoformat() if isinstance(value, datetime) else value
    return _SIGNER.sign_object([int(backward), ordering, plain, pk])


def _decode(cursor: str, queryset: QuerySet[Any], ordering: str) -> _Cursor:
    try:
        backward, made_for, value, pk = _SIGNER.unsign_object(cursor)
        if made_for == ordering:
            return _Cursor(bool(backward), _field(queryset, ordering.lstrip("-")).to_python(value), int(pk))
    except (signing.BadSignature, ValueError, TypeError, ValidationError) as error:
        raise Invalid("This cursor is not valid. Start again from the first page.", attr="cursor") from error
    raise Invalid("This cursor belongs to another ordering. Start again from the first page.", attr="cursor")


def _field(queryset: QuerySet[Any], name: str) -> Any:
    """The model field, or the output field of an annotation, that reads a value of this name."""
    meta = queryset.model._meta
    if name == "pk":
        return meta.pk
    try:
        return meta.get_field(name)
    except FieldDoesNotExist:
        return queryset.query.annotations[name].output_field


class KeysetPagination(BasePagination):
    """`{"next", "previous", "results"}`. The view names `ordering_fields`, its default `ordering`, and in `ordering_keys` what
    stands in for a field that may be null."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        size = page_size(request.query_params.get("page_size"))
        ordering = view_ordering(request, view)
        self.page = keyset_page(
            queryset, ordering=ordering, cursor=request.query_params.get("cursor") or None, size=size
        )
        self.url = request.build_absolute_uri()
        return self.page.rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {"next": self._link(self.page.next), "previous": self._link(self.page.previous), "results": data}
        )

    def _link(self, cursor: str | None) -> str | None:
        return replace_query_param(remove_query_param(self.url, "cursor"), "cursor", cursor) if cursor else None

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        fields = getattr(view, "ordering_fields", ("id",))
        orderings = [f"{sign}{name}" for name in fields for sign in ("", "-")]
        return [
            _parameter("cursor", {"type": "string"}, "From `next` or `previous` of another page."),
            _parameter("page_size", {"type": "integer", "minimum": 1, "maximum": MAX_SIZE, "default": DEFAULT_SIZE}),
            _parameter("ordering", {"type": "string", "enum": orderings}),
            _parameter("format", {"type": "string", "enum": ["json", "csv"]}, "csv: the whole filtered list."),
        ]


def _parameter(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
