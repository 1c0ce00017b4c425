"""Conditions on scans that another table knows: the scans are found there first, as long as they are few.

A database that is asked for both at once has to guess whether to begin with the list, in its order, or with the other table; each
is a hundred times slower where it guesses wrong."""

from collections.abc import Sequence
from typing import Any, Final

from django.db.models import OuterRef, QuerySet, Subquery

from images.models import Image

# So many are looked at one by one. Where there are more, reading the list in its order soon finds a page of them.
FEW: Final = 3000


def keys_of(rows: QuerySet[Any], column: str = "pk", order: Sequence[str] = ()) -> list[int] | None:
    """The scans that these rows name in `column`, or None where there are more than FEW. `order`: that of the index in which
    they stand together, for PostgreSQL, which may look for many of them from the start of the table."""
    keys = list(rows.order_by(*order).prefetch_related(None).values_list(column, flat=True)[: FEW + 1])
    return keys if len(keys) <= FEW else None


def held_by(scans: QuerySet[Image], rows: QuerySet[Any], column: str) -> QuerySet[Image]:
    """Those of the scans that a row of another table names."""
    keys = keys_of(rows, column)
    if keys is not None:
        return scans.filter(pk__in=keys)
    # Not EXISTS, which MySQL may turn into a join, and begin at the other table all the same.
    mine = rows.filter(**{column: OuterRef("pk")}).order_by().values("pk")[:1]
    return scans.alias(holder=Subquery(mine)).filter(holder__isnull=False)
