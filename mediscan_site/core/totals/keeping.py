"""Keeps the maintained numbers right: makes their triggers, folds changes into totals, and compares both with a real count."""

import logging
import time
from collections import Counter
from typing import Any, Final

from django.db import IntegrityError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Model

from mediscan_site.core import notices, tidy
from mediscan_site.core.again import done_again
from mediscan_site.core.database import insert_all
from mediscan_site.core.totals.counted import NUMBER, Counted, known

log = logging.getLogger(__name__)

NOTICE: Final = "totals-unkept"
# Changes that one transaction folds: so many rows are held for a moment.
AT_ONCE: Final = 2_000
Difference = tuple[tuple[Any, ...], int]


class _Raced(Exception):
    """Another worker folds the same changes."""


def anything() -> bool:
    """Whether there are changes to fold."""
    return any(model._default_manager.exists() for model in {one.changes for one in known()})


def fold(*, budget_s: float = 20.0) -> int:
    """Add changes to the totals and take them away, until there are none or the time is over. Returns how many rows went.
    Several may do it at once: what one has taken another leaves."""
    ends, folded = time.monotonic() + budget_s, 0
    for counted in {one.changes: one for one in known()}.values():
        while time.monotonic() < ends:
            try:
                some = _fold(counted)
            except (_Raced, IntegrityError):
                # The other one goes on with it.
                break
            folded += some
            if some < AT_ONCE:
                break
    return folded


@done_again
def _fold(counted: Counted) -> int:
    changes = counted.changes._default_manager.order_by("pk")
    if connection.features.has_select_for_update_skip_locked:
        changes = changes.select_for_update(skip_locked=True)
    with transaction.atomic():
        rows = list(changes.values_list("pk", NUMBER, *counted.keys)[:AT_ONCE])
        if _taken(counted, [row[0] for row in rows]) != len(rows):
            raise _Raced
        sums: Counter[tuple[Any, ...]] = Counter()
        for _pk, number, *key in rows:
            sums[tuple(key)] += number
        # In one order, so that two workers cannot wait for each other.
        insert_all([one for key in sorted(sums) if sums[key] and (one := _added(counted, key, sums[key]))])
    return len(rows)


def _taken(counted: Counted, keys: list[int]) -> int:
    """How many of these changes were still there to be deleted. Not up to the highest key: a lower one may be committed later."""
    if not keys:
        return 0
    found: Any = counted.changes._default_manager.filter(pk__in=keys)
    # Nothing refers to them, so Django has nothing to look for before.
    return int(found._raw_delete(connection.alias))


def _added(counted: Counted, key: tuple[Any, ...], number: int) -> Model | None:
    """The total is raised; or a new one, unsaved, where there is none."""
    own = dict(zip(counted.keys, key, strict=True))
    raised = counted.totals._default_manager.filter(**own).update(**{NUMBER: F(NUMBER) + number})
    return None if raised else counted.totals(**own, **{NUMBER: number})


def differences(counted: Counted, database: BaseDatabaseWrapper = connection) -> list[Difference]:
    """Where the kept numbers are not those of a real count: the key, and what has to be added. One statement, so that both are of
    the same moment, however much is written meanwhile; it reads the whole table."""
    with database.cursor() as cursor:
        cursor.execute(counted.comparison(database.vendor))
        return [(tuple(key), int(number)) for *key, number in cursor.fetchall()]


def mend(counted: Counted) -> list[Difference]:
    """Add what is missing and take away what is too much, right whatever is written meanwhile. Returns it."""
    found = differences(counted)
    if not _began(counted, found):
        insert_all(_rows(counted.changes, counted, found))
    return found


def _began(counted: Counted, found: list[Difference]) -> bool:
    """The first numbers there are become totals at once; False where there are some."""
    own = {f"{key}__in": values for key, values in counted.own.items()}
    if counted.totals._default_manager.filter(**own).exists():
        return False
    try:
        with transaction.atomic():
            insert_all(_rows(counted.totals, counted, found))
    except IntegrityError:
        # A worker has folded the first changes meanwhile.
        return False
    return True


def _rows(model: type[Model], counted: Counted, found: list[Difference]) -> list[Model]:
    return [model(**dict(zip(counted.keys, key, strict=True)), number=number) for key, number in found]


def check() -> dict[str, list[Difference]]:
    """Compare all kept numbers with real counts, mend and log what differs; by name what that was. For a worker: it reads
    whole tables."""
    watch()
    forget()
    found = {counted.name: mend(counted) for counted in known()}
    for name, rows in found.items():
        if rows:
            log.error("The kept numbers %s were wrong and are mended: %s", name, rows[:20])
    return {name: rows for name, rows in found.items() if rows}


@tidy.register
def forget() -> None:
    """Totals that are too old to be asked for, and those of which nothing is left."""
    for counted in known():
        counted.totals._default_manager.filter(**{NUMBER: 0}).delete()
        if counted.since is not None:
            name, first = counted.since
            own = {f"{key}__in": values for key, values in counted.own.items()}
            counted.totals._default_manager.filter(**own, **{f"{name}__lt": first()}).delete()


def missing() -> list[str]:
    """Names of the triggers that are not there, or do something else."""
    return [name for counted in known() for name in counted.triggers.missing()]


@tidy.register
def watch() -> None:
    """The notice for administrators that follows what is missing."""
    absent = missing()
    if absent:
        notices.put(
            NOTICE,
            f"The database does not keep count of scans as it should: {', '.join(absent)} missing. Numbers on pages are wrong "
            "until manage.py migrate puts them back, which also counts anew.",
        )
    else:
        notices.take_away(NOTICE)


def before_migrate(sender: Any, using: str, plan: Any, **kwargs: Any) -> None:
    """Receiver of `pre_migrate`: no engine changes a column, or rebuilds a table, that a trigger names."""
    if plan:
        for counted in known():
            counted.triggers.drop(connections[using])


def after_migrate(sender: Any, using: str, apps: Any, **kwargs: Any) -> None:
    """Receiver of `post_migrate`: make what is missing, then count what came in without it."""
    for counted in known():
        if not _has(apps, counted):
            continue
        absent = counted.triggers.make(connections[using])
        if not absent:
            continue
        mend(counted)
        if not kwargs.get("plan"):
            log.error("Triggers that count were missing, were made again, and counted: %s", ", ".join(absent))


def _has(apps: Any, counted: Counted) -> bool:
    """Whether the tables of this state of the migrations have all that is counted, and where it is kept."""
    wanted = {
        counted.source: set(counted.watched),
        counted.totals: set(counted.keys),
        counted.changes: set(counted.keys),
    }
    for model, columns in wanted.items():
        try:
            state = apps.get_model(model._meta.app_label, model._meta.model_name)
        except LookupError:
            return False
        if not columns <= {field.column for field in state._meta.local_concrete_fields}:
            return False
    return True
