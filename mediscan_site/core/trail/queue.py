"""Which events wait for their seal: rows of a small table, so that the sealer reads what is new and never the trail.

A trigger writes the row with the event, in its transaction: however late that commits and whatever its number, none is skipped,
and a row that SQL put past the site is met as well. Who drops the trigger, or takes rows out of the queue, is found by looking
at the trail itself: at what is newer than the last look and a part of the rest every hour, at all of it by `verify_audit`."""

from functools import partial
from typing import Final

from django.db.models import OuterRef, Q, QuerySet

from mediscan_site.core import triggers
from mediscan_site.core.database import insert_all, there_is
from mediscan_site.core.models import AuditEvent, AuditSeal, Bookmark, Unsealed

TABLE: Final = Unsealed._meta.db_table
EVENTS: Final = AuditEvent._meta.db_table
TRIGGER: Final = f"{EVENTS}_waits"
FUNCTION: Final = "mediscan_trail_waits"
# A row that is there already, whoever wrote it and with whatever mark, is one that waits.
MARK: Final = f"INTO {TABLE} (event_id, stray)"


def _trigger(text: str) -> list[triggers.Trigger]:
    return [triggers.Trigger(TRIGGER, EVENTS, text)]


_TEXTS: Final = {
    "sqlite": f"AFTER INSERT ON {EVENTS} BEGIN INSERT OR REPLACE {MARK} VALUES (NEW.id, 0); END",  # noqa: S608 -- our names
    "mysql": f"AFTER INSERT ON {EVENTS} FOR EACH ROW INSERT {MARK} VALUES (NEW.id, 0) ON DUPLICATE KEY UPDATE stray = 0",  # noqa: S608
    "postgresql": f"AFTER INSERT ON {EVENTS} REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {FUNCTION}()",
}
_TWICE: Final = "ON CONFLICT (event_id) DO UPDATE SET stray = false"
TRIGGERS: Final = triggers.register(
    triggers.Triggers(
        mark=MARK,
        purpose="have each event of the audit trail wait for its seal",
        by_vendor={vendor: partial(_trigger, text) for vendor, text in _TEXTS.items()},
        functions={FUNCTION: f"BEGIN INSERT {MARK} SELECT id, false FROM added {_TWICE}; RETURN NULL; END"},  # noqa: S608
    )
)
PAGE: Final = 50_000
# All of the trail is looked at again in so many hourly looks, or fewer where it is short.
LOOKS: Final = 7 * 24
NEWEST, OLDER = "audit-newest", "audit-older"


def waiting() -> QuerySet[Unsealed]:
    # As a list of one: Django writes `NOT stray` for False, which no index answers.
    return Unsealed.objects.filter(stray__in=[False]).order_by("event")


def strays() -> QuerySet[Unsealed]:
    """Those that the sealer has looked at and left."""
    return Unsealed.objects.filter(stray__in=[True]).order_by("event")


def anything() -> bool:
    """Whether an event waits for its seal: the sealer's look every second."""
    return waiting().exists()


def take_in(after: int, until: int) -> int:
    """Have those wait that should, among the events of these numbers (`after` not included; 0: from the very first one); returns
    how many did not. So many events at a time, not so many numbers: who writes past the site chooses the number, too."""
    found, left = 0, Q(id__gt=after) if after else Q()
    while (last := _end_of_page(left & Q(id__lte=until))) is not None:
        missing = list(_lost().filter(left, id__lte=last).values_list("id", flat=True))
        insert_all([Unsealed(event_id=pk) for pk in missing], ignore_conflicts=True)
        found, left = found + len(missing), Q(id__gt=last)
    return found


def _end_of_page(within: Q) -> int | None:
    """The number of the last one of the first PAGE events; None: there are none."""
    numbers = AuditEvent.objects.filter(within).order_by("id").values_list("id", flat=True)
    return next(iter([*numbers[PAGE - 1 : PAGE]] or numbers.reverse()[:1]), None)


def take_in_all() -> int:
    """The same for the whole trail, which reads all of it."""
    return take_in(0, newest())


def take_in_part() -> int:
    """The hourly look: at the events since the last one, and at a part of those before."""
    top = newest()
    seen, older = _mark(NEWEST, top), _mark(OLDER, 0)
    until = min(older + max(PAGE, top // LOOKS), top)
    found = take_in(min(seen, top), top) + take_in(older, until)
    Bookmark.objects.filter(name=NEWEST).update(seq=top)
    Bookmark.objects.filter(name=OLDER).update(seq=until if until < top else 0)
    return found


def newest() -> int:
    """The highest number of an event."""
    return AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0


def _lost() -> QuerySet[AuditEvent]:
    """Events without a seal that do not wait for one."""
    mine = {"event": OuterRef("pk")}
    return AuditEvent.objects.filter(
        ~there_is(AuditSeal.objects.filter(**mine)), ~there_is(Unsealed.objects.filter(**mine))
    )


def _mark(name: str, start: int) -> int:
    return Bookmark.objects.get_or_create(name=name, defaults={"seq": start})[0].seq
