"""Where databases differ."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from django.db import OperationalError, connection, models

from mediscan_site.core.errors import ended_by_database

Row = TypeVar("Row", bound=models.Model)
Answer = TypeVar("Answer")

PATIENCE_S: Final = 60.0
PAUSE_S: Final = 0.1


def save_all(rows: Sequence[Row]) -> None:
    """Insert rows in one statement, and get their keys. MySQL does not return the keys of many: there each is a statement."""
    if not rows:
        return
    if connection.features.can_return_rows_from_bulk_insert:
        type(rows[0])._default_manager.bulk_create(rows)
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


def patiently(write: Callable[[], Answer]) -> Answer:
    """What a short write of a worker or command returns, done again for a minute while others hold what it wants.

    Inside somebody else's transaction it is done once: that one has ended too."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return write()
        except OperationalError as error:
            if connection.in_atomic_block or not _held_by_others(error) or time.monotonic() > until:
                raise
        time.sleep(PAUSE_S * random.uniform(0.5, 1.5))  # noqa: S311 -- no secret


def _held_by_others(error: OperationalError) -> bool:
    locked = connection.vendor == "sqlite" and ("locked" in str(error) or "busy" in str(error))
    return locked or ended_by_database(error)
