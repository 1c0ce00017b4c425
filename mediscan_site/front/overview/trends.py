"""Labels a day and grades a week, in the reader's own days: one query of maintained numbers for both."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django.db.models import Case, IntegerField, Value, When
from django.utils import timezone
from django.utils.formats import date_format

from images.counts import quarter
from images.models import ActivityChange, ActivityNumbers, ActivityTotal
from mediscan_site.core.models import User
from mediscan_site.core.totals.reading import numbers

DAYS: Final = 28
WEEKS: Final = 8
Kind = ActivityNumbers.Kind


def trends(user: User, projects: Collection[int]) -> dict[str, Any]:
    """`labels`: columns of (mine, others') a day for four weeks; `grades`: of (certain, to be read) a week for eight."""
    today = timezone.localdate()
    days = [today - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]
    monday = today - timedelta(days=today.weekday())
    weeks = [monday - timedelta(weeks=WEEKS - 1 - number) for number in range(WEEKS)]
    mine = Case(When(person=user.pk, then=Value(1)), default=Value(0), output_field=IntegerField())
    slot = Case(
        *_slots(days, kind=Kind.LABEL), *_slots(weeks, kind__in=(Kind.ANSWER, Kind.REFERRAL)),
        default=Value(-1), output_field=IntegerField(),
    )  # fmt: skip
    where = {"project__in": list(projects), "kind__in": Kind.values, "quarter__gte": _start(weeks[0])}
    found = numbers(ActivityTotal, ActivityChange, "kind", "slot", "mine", where=where, slot=slot, mine=mine)
    return {
        "labels": [_column(day, found[Kind.LABEL, at, 1], found[Kind.LABEL, at, 0]) for at, day in enumerate(days)],
        "grades": [
            _column(week, found[Kind.ANSWER, at, 0], found[Kind.REFERRAL, at, 0]) for at, week in enumerate(weeks)
        ],
    }


def _slots(begins: list[date], **kinds: Any) -> list[When]:
    return [
        When(**kinds, quarter__gte=_start(begin), then=Value(at)) for at, begin in reversed(list(enumerate(begins)))
    ]


def _start(day: date) -> int:
    """The quarter of an hour in which the day begins where the reader is."""
    return quarter(timezone.make_aware(datetime.combine(day, time.min)))


def _column(begin: date, *values: int) -> dict[str, Any]:
    return {"label": date_format(begin, "j M"), "values": list(values)}


def any_of(columns: list[dict[str, Any]]) -> bool:
    return any(sum(column["values"]) for column in columns)
