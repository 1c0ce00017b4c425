"""Where databases differ."""

from collections.abc import Sequence
from typing import TypeVar

from django.db import connection, models

Row = TypeVar("Row", bound=models.Model)


def save_all(rows: Sequence[Row]) -> None:
    """Insert rows in one statement, and get their keys. MySQL does not return the keys of many: there each is a statement."""
    if not rows:
        return
    if connection.features.can_return_rows_from_bulk_insert:
        type(rows[0])._default_manager.bulk_create(rows)
        return
    for row in rows:
        row.save(force_insert=True)
