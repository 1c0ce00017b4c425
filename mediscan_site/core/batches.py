"""Several queued rows at once, for work that is quicker together (`core.work` does one at a time).

Each row keeps its own attempt, lease and end: one that is taken over, cancelled or fails is nobody else's business. A wake-up
that finds its row taken finds nothing to do, as ever."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from mediscan_site.core import start
from mediscan_site.core.again import done_again
from mediscan_site.core.beating import beating
from mediscan_site.core.http.context import UsedToken, use_token
from mediscan_site.core.models import TokenWork, WorkItem, WorkStatus
from mediscan_site.core.work import CLAIM_TRIES


@dataclass(frozen=True)
class Taken:
    """A row that this process holds: its attempt, and the service token with which it was asked for."""

    pk: int
    attempt: int
    token: UsedToken | None = None


def in_turn(model: type[WorkItem], pk: int, run: Callable[[list[Taken]], None], *, alike: str, most: int) -> None:
    """What a wake-up does: take the row whose turn it is, with those that follow it in their turns and are equal to it in the
    column `alike`, at most so many; among equals of these the named one goes first."""
    for _ in range(CLAIM_TRIES):
        wanted = _next(model, pk, alike, most)
        if not wanted:
            return
        taken = claim(model, wanted)
        if taken:
            run(taken)
            return


def _next(model: type[WorkItem], pk: int, alike: str, most: int) -> list[int]:
    """Those among the next so many in turn that are equal to the first: whoever is left out is among the first next time."""
    waiting = model._default_manager.filter(status=WorkStatus.QUEUED).order_by("turn", "pk")
    rows = list(waiting.values_list("turn", "pk", alike)[:most])
    # Most wake-ups find nothing, or a few: the named one is looked for here, not by the database.
    rows.sort(key=lambda row: (row[0], row[1] != pk, row[1]))
    return [found for _, found, kind in rows if kind == rows[0][2]]


def claim(model: type[WorkItem], wanted: Sequence[int]) -> list[Taken]:
    """Take those of the rows that are still queued, in the order of `wanted`. None where nothing may be begun (`work.claim`)."""
    if not start.is_own():
        return []
    attempts = _claimed(model, sorted(wanted))
    asked = TokenWork.objects.filter(table=model._meta.label, row__in=list(attempts)).select_related("token")
    tokens = {one.row: UsedToken(one.token_id, one.token.name, one.token.made_by_id) for one in asked}
    return [Taken(pk, attempts[pk], tokens.get(pk)) for pk in wanted if pk in attempts]


@done_again
def _claimed(model: type[WorkItem], keys: Sequence[int]) -> dict[int, int]:
    """Attempt by key. One conditional UPDATE for each row, as the count is all that tells whose it is; always in the order of
    the keys, so that two workers do not wait for each other; one transaction, as each costs a write to the disk."""
    rows, mine = model._default_manager.all(), []
    with transaction.atomic():
        for pk in keys:
            queued = rows.filter(pk=pk, status=WorkStatus.QUEUED)
            columns = {"attempt": F("attempt") + 1, "heartbeat_at": Now(), "started_at": Coalesce("started_at", Now())}
            if queued.update(status=WorkStatus.RUNNING, error="", **columns):
                mine.append(pk)
        return dict(rows.filter(pk__in=mine).values_list("pk", "attempt"))


@contextmanager
def acting(taken: Taken) -> Iterator[None]:
    """What is recorded inside was asked for with this row's token."""
    use_token(taken.token)
    try:
        yield
    finally:
        use_token(None)


@contextmanager
def keep_alive(model: type[WorkItem], taken: Sequence[Taken]) -> Iterator[None]:
    """Renew the leases of all in one thread while the body works. Who lost a row learns it when it writes its end."""
    mine = model._default_manager.filter(held(taken), cancel_requested=False)
    with beating(f"{len(taken)} {model._meta.verbose_name_plural}", lambda: mine.update(heartbeat_at=Now())):
        yield


def held(taken: Sequence[Taken]) -> Q:
    """Those of the rows whose attempt still stands."""
    by_attempt: dict[int, list[int]] = defaultdict(list)
    for one in taken:
        by_attempt[one.attempt].append(one.pk)
    mine = Q(pk__in=[])
    for attempt, keys in by_attempt.items():
        mine |= Q(pk__in=keys, attempt=attempt)
    return mine & Q(status=WorkStatus.RUNNING)
