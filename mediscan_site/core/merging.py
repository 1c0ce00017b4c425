"""Rows in the order of an index, where planners would rather not: the newest of a kind, and the first of several kinds.

`column IN (…) ORDER BY other` makes databases sort all that match; each value by
itself is a walk of an index that stops, and the union of such walks is sorted in no time."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

LOOKED_AT: Final = 100
MOST_LOOKED_AT: Final = 3200
T = TypeVar("T", bound=Model)


def newest(rows: QuerySet[T], **columns: Any) -> QuerySet[T]:
    """Those of the rows that have these values, newest first, as an index on these columns and the key has them.

    The last value is asked for as a range, and its column is part of the order: else PostgreSQL may walk the primary key from its
    end, where it takes such rows for frequent, past all newer ones of others."""
    *first, (name, value) = columns.items()
    found = rows.filter(**dict(first), **{f"{name}__gte": value, f"{name}__lte": value})
    return found.order_by(f"-{name}", "-pk")


def first_key(walk: QuerySet[Any], standing: QuerySet[Any]) -> Any:
    """The key of the first row of the walk, which asks its own table only, that is also one of `standing`; None: there is none.
    Looked for some at a time, and ever more: what is asked of other tables is asked of these rows, or planners may begin there."""
    start, number, found = 0, LOOKED_AT, None
    while found is None and (keys := list(walk.values_list("pk", flat=True)[start : start + number])):
        known = set(standing.filter(pk__in=keys).values_list("pk", flat=True))
        found = next((key for key in keys if key in known), None)
        start, number = start + number, min(2 * number, MOST_LOOKED_AT)
    return found


def first_keys(parts: Sequence[QuerySet[Any]], ordering: Sequence[str], n: int) -> list[Any]:
    """The keys of the first `n` rows of all parts, which are of one table and share none, by `ordering`: names of columns, `-` for
    descending, the last one `pk`. One statement."""
    if n <= 0 or not parts:
        return []
    columns = [name.lstrip("-") for name in ordering if name.lstrip("-") != "pk"]
    walks = [part.order_by(*ordering).values_list("pk", *columns)[:n] for part in parts]
    if len(walks) == 1:
        return [row[0] for row in walks[0]]
    return _union(walks, [_place(name, columns) for name in ordering], n)


def _place(name: str, columns: Sequence[str]) -> str:
    place = 1 if name.lstrip("-") == "pk" else 2 + columns.index(name.lstrip("-"))
    return f"{place} DESC" if name.startswith("-") else str(place)


def _union(walks: Sequence[QuerySet[Any, Any]], ordering: Sequence[str], n: int) -> list[Any]:
    """Django's `union` refuses parts with a limit on SQLite; as a table each may have one."""
    statements: list[str] = []
    values: list[Any] = []
    for number, walk in enumerate(walks):
        select, given = walk.query.sql_with_params()
        statements.append(f"SELECT * FROM ({select}) walk{number}")  # noqa: S608 -- Django's own, values apart
        values += given
    statement = f"{' UNION ALL '.join(statements)} ORDER BY {', '.join(ordering)} LIMIT {int(n)}"
    with connection.cursor() as cursor:
        # The names are our own models', and the values go as parameters.
        cursor.execute(statement, values)
        return [row[0] for row in cursor.fetchall()]
