"""Labels a day and grades a week, in the reader's own days: one query for both."""

from collections.abc import Collection, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone
from django.utils.formats import date_format

from labeling.models import Label
from mediscan_site.core.models import User, WorkStatus
from models_registry.models import Grade

DAYS: Final = 28
WEEKS: Final = 8
# Of each, how many of the newest rows are looked at: what is older is no longer a trend.
MOST: Final = 200_000
# Labels that somebody gave here, one by one.
GIVEN: Final = (Label.Source.DOCTOR, Label.Source.ADJUDICATION, Label.Source.FEEDBACK)
LABEL, GRADE = 0, 1


def trends(user: User, projects: Collection[int], newest: Mapping[str, int]) -> dict[str, Any]:
    """`labels`: columns of (mine, others') a day for four weeks; `grades`: of (certain, to be read) a week for eight. `newest`: the
    keys of the newest label and grade, so that no more rows than MOST are looked at."""
    today = timezone.localdate()
    days = [today - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]
    monday = today - timedelta(days=today.weekday())
    weeks = [monday - timedelta(weeks=WEEKS - 1 - number) for number in range(WEEKS)]
    labels = Label.objects.filter(
        image__project__in=projects,
        pk__gt=newest["newest_label"] - MOST,
        source__in=GIVEN,
        annotation_date__gte=_start(days[0]),
    )
    grades = Grade.objects.filter(
        project__in=projects, pk__gt=newest["newest_grade"] - MOST, status=WorkStatus.SUCCEEDED, blind=False,
        created_at__gte=_start(weeks[0]),
    )  # fmt: skip
    mine, answered = Q(reader=user.pk), Q(decision=Grade.Decision.ANSWER)
    found = _sorted(labels, LABEL, "annotation_date", days, mine).union(
        _sorted(grades, GRADE, "created_at", weeks, answered), all=True
    )
    numbers = {(row["t_of"], row["t_slot"], bool(row["t_first"])): row["t_number"] for row in found}
    return {
        "labels": [_column(numbers, LABEL, slot, day) for slot, day in enumerate(days)],
        "grades": [_column(numbers, GRADE, slot, monday) for slot, monday in enumerate(weeks)],
    }


def _sorted(rows: QuerySet[Any], of: int, at: str, begins: list[date], first: Q) -> QuerySet[Any, Any]:
    """How many rows fall into each slot of time, by whether they are of the first kind."""
    slots = [
        When(**{f"{at}__gte": _start(begin)}, then=Value(slot)) for slot, begin in reversed(list(enumerate(begins)))
    ]
    columns = {
        "t_of": Value(of, IntegerField()),
        "t_slot": Case(*slots, default=Value(-1), output_field=IntegerField()),
        "t_first": Case(When(first, then=Value(1)), default=Value(0), output_field=IntegerField()),
    }
    counted: QuerySet[Any, Any] = rows.order_by().annotate(**columns).values(*columns).annotate(t_number=Count("pk"))
    return counted


def _start(day: date) -> datetime:
    """When the day begins where the reader is."""
    return timezone.make_aware(datetime.combine(day, time.min))


def _column(numbers: Mapping[Any, int], of: int, slot: int, begin: date) -> dict[str, Any]:
    values = [numbers.get((of, slot, True), 0), numbers.get((of, slot, False), 0)]
    return {"label": date_format(begin, "j M"), "values": values}


def any_of(columns: list[dict[str, Any]]) -> bool:
    return any(sum(column["values"]) for column in columns)
