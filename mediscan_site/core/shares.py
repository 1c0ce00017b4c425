"""Fair shares of what all wait for: how much one person may have waiting, and whose turn it is.

Turns go round: the first row that somebody queues is in the round that is being worked on, the next one in the round after.
So two hundred grades of one doctor put another doctor's only grade behind one of them, not behind all."""

from typing import Final

from django.conf import settings
from django.db import connection
from django.db.models import Count, Max, Min, Q

from mediscan_site.core.errors import TooMany
from mediscan_site.core.models import ACTIVE, User, WorkItem, WorkStatus

# Seconds after which one of many has probably ended.
RETRY_AFTER_S: Final = 30


def take_turn(row: WorkItem, *, limited: bool = True) -> None:
    """Give a new row its turn, before it is saved in the same transaction. TooMany when its owner has enough waiting; with
    `limited` False that is not asked, for what the site itself asks for in somebody's name."""
    owner: User = getattr(row, row.owner_field)
    hold(owner.pk)
    mine, waits = Q(**{row.owner_field: owner.pk}), Q(status=WorkStatus.QUEUED)
    rows = type(row)._default_manager.filter(status__in=ACTIVE)
    found = rows.aggregate(
        number=Count("pk", filter=mine),
        round=Min("turn", filter=waits),
        last=Max("turn", filter=waits & mine),
    )
    if limited:
        _require_fewer(type(row), found["number"])
    row.turn = max(found["round"] or 0, 0 if found["last"] is None else found["last"] + 1)


def require_room(kind: type[WorkItem], owner: User) -> None:
    """TooMany when this person has enough of these waiting: also to be asked before much is stored for one more."""
    _require_fewer(kind, kind._default_manager.filter(status__in=ACTIVE, **{kind.owner_field: owner.pk}).count())


def _require_fewer(kind: type[WorkItem], number: int) -> None:
    limit, plural = settings.WAITING_PER_PERSON[kind._meta.label], str(kind._meta.verbose_name_plural)
    if number >= limit:
        raise TooMany(
            f"You have {number} {plural} waiting or running, and {limit} is the most for one person. Wait until some have "
            "ended, or cancel them, then send it again.",
            code=f"too_many_{plural.replace(' ', '_')}",
            retry_after=RETRY_AFTER_S,
        )


def hold(user_id: int) -> None:
    """In a transaction: whatever else the same person asks for at this moment is counted afterwards."""
    if not connection.features.has_select_for_update:
        # Whoever writes is alone there.
        return
    without_key = connection.features.has_select_for_no_key_update
    User.objects.select_for_update(no_key=without_key).filter(pk=user_id).values_list("pk", flat=True).first()
