"""Labels a day and grades a week, in the reader's own days: one query of maintained numbers for both."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django.db.models import Case, ExpressionWrapper, F, IntegerField, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Mod
from django.utils import timezone
from django.utils.formats import date_format

from images.counts import QUARTER_S, quarter
from images.models import ActivityChange, ActivityNumbers, ActivityTotal
from mediscan_site.core.models import User
from mediscan_site.core.totals.reading import numbers

DAYS: Final = 28
WEEKS: Final = 8
# In quarters of an hour.
A_DAY: Final = 96
EPOCH: Final = date(1970, 1, 1)
Kind = ActivityNumbers.Kind


def trends(user: User, projects: Collection[int]) -> dict[str, Any]:
    """`labels`: columns of (mine, others') a day for four weeks; `grades`: of (certain, to be read) a week for eight."""
    today = timezone.localdate()
    days = [today - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]
    monday = today - timedelta(days=today.weekday())
    weeks = [monday - timedelta(weeks=WEEKS - 1 - number) for number in range(WEEKS)]
    mine = Case(When(person=user.pk, then=Value(1)), default=Value(0), output_field=IntegerField())
    where = {"project__in": list(projects), "kind__in": Kind.values, "quarter__gte": _start(weeks[0])}
    by = ("kind", "day", "mine")
    found = _dated(numbers(ActivityTotal, ActivityChange, *by, where=where, day=_day(weeks[0], today), mine=mine))
    return {
        "labels": [_column(day, *(_sum(found, Kind.LABEL, [day], own) for own in (1, 0))) for day in days],
        "grades": [
            _column(week, *(_sum(found, kind, _week(week), 0) for kind in (Kind.ANSWER, Kind.REFERRAL)))
            for week in weeks
        ],
    }


def _day(first: date, last: date) -> Combinable:
    """In which of the reader's days a row falls, told by its first quarter of an hour since 1970 by their clock. A clock that is
    changed is so from that day's noon: all of the day stays in it."""
    offset, changes = _offset(first), []
    for number in range(1, (last - first).days + 2):
        day = first + timedelta(days=number)
        if _offset(day) != offset:
            offset = _offset(day)
            changes.append(When(quarter__gte=_start(day) - A_DAY // 2, then=Value(offset)))
    shift = Case(*reversed(changes), default=Value(_offset(first)), output_field=IntegerField())
    local = F("quarter") + shift
    return ExpressionWrapper(local - Mod(local, Value(A_DAY)), output_field=IntegerField())


def _offset(day: date) -> int:
    """Of the reader's clock as the day begins, in quarters of an hour: every zone has a whole number of them."""
    return int((_midnight(day).utcoffset() or timedelta()).total_seconds()) // QUARTER_S


def _start(day: date) -> int:
    """The quarter of an hour in which the day begins where the reader is."""
    return quarter(_midnight(day))


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _dated(found: Mapping[tuple[Any, ...], int]) -> Counter[tuple[str, date, int]]:
    return Counter({(kind, EPOCH + timedelta(days=day // A_DAY), own): n for (kind, day, own), n in found.items()})


def _sum(found: Counter[tuple[str, date, int]], kind: str, days: Iterable[date], own: int) -> int:
    return sum(found[kind, day, own] for day in days)


def _week(monday: date) -> list[date]:
    return [monday + timedelta(days=number) for number in range(7)]


def _column(begin: date, *values: int) -> dict[str, Any]:
    return {"label": date_format(begin, "j M"), "values": list(values)}


def any_of(columns: list[dict[str, Any]]) -> bool:
    return any(sum(column["values"]) for column in columns)
