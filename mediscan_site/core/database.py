"""Where databases differ."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction
from django.db.models.constants import OnConflict
from django.db.models.functions import Coalesce, Now
from django.db.models.lookups import Exact

Row = TypeVar("Row", bound=models.Model)
# So many counts are one statement: engines bound its values and columns.
PARTS_AT_ONCE: Final = 100


class Bounded(models.Subquery):
    """How many rows a sliced query has: the database stops counting at its limit, however many there are."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = models.IntegerField()


def there_is(rows: "models.QuerySet[Any, Any]") -> models.Q:
    """Whether one of these rows is there, asked of each row of the outer query by itself. For EXISTS, which says the same, MariaDB
    may read all the rows there are before it answers for the first one, also where a page wants fifty. An equality, since of
    IS NULL PostgreSQL believes that it leaves out nearly every row, and then reads and sorts the whole table for a page. See
    findings/mariadb_exists_reads_the_table_for_a_page.sh and
    findings/postgres_guesses_half_a_percent_of_an_unanswered_question.sh."""
    found = models.Subquery(rows.order_by().values(there=models.Value(1))[:1])
    return models.Q(Exact(Coalesce(found, 0, output_field=models.IntegerField()), 1))


def ago(length: timedelta) -> "models.ExpressionWrapper[Any]":
    """So long before now, by the database's clock: those of a site's machines may differ."""
    return models.ExpressionWrapper(Now() - models.Value(length), output_field=models.DateTimeField())


def upto(rows: "models.QuerySet[Any]", limit: int) -> Bounded:
    """A column: how many rows there are, at most one more than `limit`."""
    return Bounded(rows.order_by().values("pk")[: limit + 1])


def counted(parts: "Mapping[Hashable, models.QuerySet[Any]]", limit: int) -> dict[Any, int]:
    """How many rows each of these queries has, at most one more than `limit`: a statement for PARTS_AT_ONCE of them."""
    found: dict[Any, int] = {}
    keys = list(parts)
    for start in range(0, len(keys), PARTS_AT_ONCE):
        some = keys[start : start + PARTS_AT_ONCE]
        selects = [parts[key].order_by().values("pk")[: limit + 1].query.sql_with_params() for key in some]
        # Django's own, values apart; but a query without a table of its own is none of Django's.
        columns = [f"(SELECT COUNT(*) FROM ({sql}) counted{place})" for place, (sql, _) in enumerate(selects)]  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(columns)}", [value for _, values in selects for value in values])
            found |= zip(some, cursor.fetchone(), strict=True)
    return found


def save_all(rows: Sequence[Row]) -> None:
    """Insert rows of one table, and get their keys. MySQL does not return the keys of many: there each is a statement."""
    if connection.features.can_return_rows_from_bulk_insert:
        insert_all(rows, keys=True)
        return
    for row in rows:
        row.save(force_insert=True)


def insert_selected(model: type[models.Model], fields: Sequence[str], chosen: "models.QuerySet[Any, Any]") -> int:
    """Insert a row for each row of a query that gives the values of `fields` in their order; returns how many. One statement,
    which moves no row through this process, however many there are: INSERT … SELECT, which Django's ORM does not have."""
    quote = connection.ops.quote_name
    by_name = {field.name: str(field.column) for field in model._meta.concrete_fields}
    columns = ", ".join(quote(by_name[name]) for name in fields)
    select, values = chosen.query.sql_with_params()
    with connection.cursor() as cursor:
        # The names are our own models', and the values go as parameters.
        cursor.execute(f"INSERT INTO {quote(model._meta.db_table)} ({columns}) {select}", values)
        return int(cursor.rowcount)


def insert_all(rows: Sequence[models.Model], *, ignore_conflicts: bool = False, keys: bool = False) -> None:
    """Insert rows of one table: `bulk_create` for plain values, at a third of its price. MySQL gets `bulk_create` itself.

    `keys`: those that the database makes are known afterwards, for `save_all`: not on MySQL. `ignore_conflicts`: a row that
    the database refuses as a second one is left out."""
    if not rows:
        return
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor == "mysql":
        type(rows[0])._default_manager.bulk_create(rows, ignore_conflicts=ignore_conflicts)
        return
    is_new = rows[0].pk is None
    table = _table(type(rows[0]), database.vendor, is_new, keys and is_new, ignore_conflicts)
    most = max(1, database.ops.bulk_batch_size(table.fields, rows))
    with transaction.atomic(savepoint=False), database.cursor() as cursor:
        for start in range(0, len(rows), most):
            _insert(cursor, database, table, rows[start : start + most])
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


@dataclass(frozen=True)
class _Table:
    """How rows of one table are written. `plain`: the type that goes to the database as it is, for each field."""

    fields: list[Any]
    readers: list[Callable[[Any], Any]]
    plain: list[type | None]
    start: str
    end: str
    gives_keys: bool

    def values(self, row: models.Model, database: Any) -> Iterator[Any]:
        for field, read, plain in zip(self.fields, self.readers, self.plain, strict=True):
            value = read(row)
            yield value if type(value) is plain else field.get_db_prep_save(value, database)


_PLAIN: Final = {"CharField": str, "TextField": str, "IntegerField": int, "BigIntegerField": int, "FloatField": float}


@lru_cache
def _table(model: type[models.Model], vendor: str, is_new: bool, keys: bool, ignore: bool) -> _Table:  # noqa: FBT001 -- keys of the cache
    """`is_new`: the database makes the keys."""
    meta: Any = model._meta
    ops = connection.ops
    # What the database makes itself is not written.
    written = [field for field in meta.local_concrete_fields if not field.generated]
    fields = [field for field in written if not (is_new and field.primary_key)]
    columns = ", ".join(ops.quote_name(field.column) for field in fields)
    conflict = OnConflict.IGNORE if ignore else None
    end = ops.on_conflict_suffix_sql(fields, conflict, [], [])
    if keys:
        end = f"{end} RETURNING {ops.quote_name(meta.pk.column)}"
    start = f"{ops.insert_statement(on_conflict=conflict)} {ops.quote_name(meta.db_table)} ({columns}) VALUES "
    readers = [_reader(field) for field in fields]
    plain = [_PLAIN.get(field.get_internal_type()) for field in fields]
    return _Table(fields, readers, plain, start, f" {end}" if end else "", keys)


def _reader(field: Any) -> Callable[[Any], Any]:
    if type(field).pre_save is models.Field.pre_save:
        return attrgetter(field.attname)
    return partial(field.pre_save, add=True)


def _insert(cursor: Any, database: Any, table: _Table, rows: Sequence[models.Model]) -> None:
    one = f"({', '.join(['%s'] * len(table.fields))})"
    if not table.gives_keys:
        cursor.executemany(f"{table.start}{one}{table.end}", [list(table.values(row, database)) for row in rows])
        return
    values = [value for row in rows for value in table.values(row, database)]
    cursor.execute(f"{table.start}{', '.join([one] * len(rows))}{table.end}", values)
    for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
        row.pk = key
