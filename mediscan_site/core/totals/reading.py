"""The maintained numbers, as they are in this moment: totals and what is not folded yet, in one statement."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db.models import Model, QuerySet, Sum

from mediscan_site.core.totals.counted import NUMBER


def numbers(
    totals: type[Model], changes: type[Model], *by: str, where: Mapping[str, Any], **columns: Any
) -> Counter[tuple[Any, ...]]:
    """How many rows there are of each combination of `by` (columns of the totals, or what `columns` makes of them), among those
    that `where` names. One query, whose cost goes with the number of combinations, and with what no worker has folded yet."""
    kept, late = parts(totals, changes, *by, where=where, **columns)
    found: Counter[tuple[Any, ...]] = Counter()
    for *key, number in kept.union(late, all=True):
        found[tuple(key)] += int(number)
    return found


def parts(
    totals: type[Model], changes: type[Model], *by: str, where: Mapping[str, Any], **columns: Any
) -> tuple[QuerySet[Any, Any], QuerySet[Any, Any]]:
    """The two halves of the question."""
    kept, late = (
        model._default_manager.filter(**where).order_by().annotate(**columns).values_list(*by).annotate(n=Sum(NUMBER))
        for model in (totals, changes)
    )
    return kept, late
