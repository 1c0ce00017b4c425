"""The audit trail. An event is a row of the same transaction as the change it records, signed by its writer. One sealer then
chains the events (HMAC-SHA256 over the event and the hash before it), so that no request ever waits for the chain's head."""

import logging
from collections.abc import Sequence
from typing import Any, Final

from django.db import IntegrityError, connection, models, transaction

from mediscan_site.core import notices
from mediscan_site.core.again import done_again
from mediscan_site.core.database import insert_all, save_all
from mediscan_site.core.http.context import current_context
from mediscan_site.core.models import AuditEvent, AuditSeal, Unsealed, User
from mediscan_site.core.trail import checking, macs, queue
from mediscan_site.core.trail.beginning import GENESIS

SEAL_BATCH: Final = 1_000
# How often another sealer may have been quicker before that is a fault.
MOST_RACES: Final = 20
STRAYS: Final = "audit-strays"
NAMED: Final = 5
log = logging.getLogger(__name__)


def record(
    action: str,
    *,
    actor: User | None,
    obj: models.Model | None = None,
    project: int | None = None,
    details: dict[str, Any] | None = None,
    actor_name: str = "",
) -> AuditEvent:
    """Write one event, in the transaction of the change that it records."""
    return record_many(action, actor=actor, project=project, about=[(obj, details or {})], actor_name=actor_name)[0]


def record_many(
    action: str,
    *,
    actor: User | None,
    about: Sequence[tuple[models.Model | None, dict[str, Any]]],
    project: int | None = None,
    actor_name: str = "",
) -> list[AuditEvent]:
    """Write one event per (object, details), in order. Outside a transaction they would not share the fate of the change, so
    that is refused."""
    if not connection.in_atomic_block:
        raise RuntimeError(f"Audit event {action} outside a transaction.")
    context = current_context()
    with_token = {"token": {"id": context.token.id, "name": context.token.name}} if context.token else {}
    events = [
        AuditEvent(
            actor=actor,
            actor_name=actor.username if actor else actor_name,
            action=action,
            object_type=str(obj._meta.model_name) if obj else "",
            object_id=str(obj.pk) if obj else "",
            project=project,
            ip=context.ip,
            request_id=context.request_id,
            details=macs.rounded({**details, **with_token}),
        )
        for obj, details in about
    ]
    for event in events:
        event.mac = macs.mac(event)
    if len(events) == 1:
        # Alone it also gets its key where the database does not return those of many.
        save_all(events)
    else:
        insert_all(events)
    return events


@done_again
def record_alone(action: str, *, obj: models.Model | None = None, details: dict[str, Any] | None = None) -> None:
    """The same for what a worker or command did outside of the database: an event of the site, in a transaction of its own."""
    with transaction.atomic():
        record(action, actor=None, obj=obj, details=details)


def seal_pending() -> int:
    """Chain all events that wait for their seal; returns how many. What the site did not write is left out, and told."""
    return _sealed_all(looked_again=False)


def seal_and_look() -> int:
    """The same, and a look at what does not wait and should, and again at what was left out: once an hour."""
    lost = queue.take_in_part()
    if lost:
        log.error("%s events of the audit trail did not wait for their seal", lost)
    return _look_again()


def seal_everything() -> int:
    """The same with a look at the whole trail, which reads all of it."""
    queue.take_in_all()
    return _look_again()


def _look_again() -> int:
    queue.strays().update(stray=False)
    return _sealed_all(looked_again=True)


def _sealed_all(*, looked_again: bool) -> int:
    """Two who seal at once do no harm: one of them loses on a unique key, looks at what is left, and goes on."""
    sealed, lost_races, strays = 0, 0, 0
    while keys := list(queue.waiting().values_list("event", flat=True)[:SEAL_BATCH]):
        try:
            genuine, left_out = _sealed(keys)
        except IntegrityError:
            lost_races += 1
            if lost_races > MOST_RACES:
                raise
            continue
        sealed, strays = sealed + genuine, strays + left_out
    _tell(new=strays, looked_again=looked_again)
    return sealed


@done_again
def _sealed(keys: list[int]) -> tuple[int, int]:
    """Seal those of the events that are the site's own; how many, and how many are not."""
    known = set(AuditSeal.objects.filter(event__in=keys).values_list("event", flat=True))
    # Keys alone came first, and rows by key now: MariaDB's optimiser has no wrong way to go.
    events = {event.pk: event for event in AuditEvent.objects.filter(pk__in=[key for key in keys if key not in known])}
    gone = [key for key in keys if key not in known and key not in events]
    genuine = [events[key] for key in sorted(events) if macs.is_genuine(events[key])]
    strays = sorted(set(events) - {event.pk for event in genuine})
    with transaction.atomic():
        insert_all(_chained(genuine))
        Unsealed.objects.filter(event__in=strays).update(stray=True)
        Unsealed.objects.filter(event__in=set(keys) - set(strays)).delete()
    if gone:
        log.error("Events were taken out of the audit trail before they were sealed: %s", gone[:NAMED])
    return len(genuine), len(strays)


def _chained(events: list[AuditEvent]) -> list[AuditSeal]:
    seq, prev = head()
    seals = []
    for event in events:
        seq += 1
        seal = AuditSeal(seq=seq, event=event, prev_hash=prev, hash=macs.digest(event, prev, seq))
        prev = seal.hash
        seals.append(seal)
    return seals


def _tell(*, new: int, looked_again: bool) -> None:
    strays = queue.strays()
    if new:
        named = ", ".join(map(str, strays.values_list("event", flat=True)[:NAMED]))
        notices.put(
            STRAYS,
            f"The audit trail has {strays.count()} rows that this site did not write (core_auditevent {named}). They are not "
            "sealed. Somebody wrote into the database past the site: find out who, and run manage.py verify_audit.",
        )
    elif looked_again:
        notices.take_away(STRAYS)


def verify() -> int | None:
    """The first sequence number that does not fit (a gap counts as the missing number); None when the chain holds."""
    fault = checking.first_fault()
    return fault.seq if fault else None


def head() -> tuple[int, str]:
    """Sequence number and hash of the last seal, to be kept outside the database."""
    last = AuditSeal.objects.order_by("-seq").first()
    return (last.seq, last.hash) if last else (0, GENESIS)
