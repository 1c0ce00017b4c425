"""The audit trail. An event is a row of the same transaction as the change it records, signed by its writer. One sealer then
chains the events (HMAC-SHA256 over the event and the hash before it), so that no request ever waits for the chain's head."""

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, connection, models, transaction

from mediscan_site.core import notices
from mediscan_site.core.again import done_again
from mediscan_site.core.database import insert_all, save_all
from mediscan_site.core.http.context import current_context
from mediscan_site.core.models import AuditEvent, AuditSeal, User
from mediscan_site.core.trail import checking, macs
from mediscan_site.core.trail.beginning import GENESIS

SEAL_BATCH = 500
# A transaction that stays open while so many others write is sealed by the hourly look at all.
RECENT = 20_000
STRAYS = "audit-strays"


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
            details={**details, **with_token},
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


def seal_pending() -> int:
    """Chain all events that have no seal yet; returns how many. What the site did not write is left out, and told."""
    return _seal_after(0)


def seal_recent() -> int:
    """The same for the last thousands of events: the sealer's beat, which must not read a whole trail each second."""
    newest = AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    return _seal_after(max(0, newest - RECENT))


def _seal_after(after: int) -> int:
    """A raced sealer loses on a unique key and stops."""
    sealed, first, strays = 0, after, []
    pending = AuditEvent.objects.filter(seal__isnull=True).order_by("id")
    while batch := list(pending.filter(id__gt=after)[:SEAL_BATCH]):
        proven = {event.pk: macs.is_genuine(event) for event in batch}
        genuine = [event for event in batch if proven[event.pk]]
        strays += [pk for pk, good in proven.items() if not good]
        if not _sealed(genuine):
            return sealed
        sealed, after = sealed + len(genuine), batch[-1].pk
    _tell(strays, looked_at_all=first == 0)
    return sealed


@done_again
def _sealed(events: list[AuditEvent]) -> bool:
    head = AuditSeal.objects.order_by("-seq").first()
    seq, prev = (head.seq, head.hash) if head else (0, GENESIS)
    seals = []
    for event in events:
        seq += 1
        seal = AuditSeal(seq=seq, event=event, prev_hash=prev, hash=macs.digest(event, prev, seq))
        prev = seal.hash
        seals.append(seal)
    try:
        with transaction.atomic():
            AuditSeal.objects.bulk_create(seals)
    except IntegrityError:
        return False
    return True


def _tell(strays: list[int], *, looked_at_all: bool) -> None:
    if strays:
        named = ", ".join(map(str, strays[:5]))
        notices.put(
            STRAYS,
            f"The audit trail has {len(strays)} rows that this site did not write (core_auditevent {named}). They are not sealed. "
            "Somebody wrote into the database past the site: find out who, and run manage.py verify_audit.",
        )
    elif looked_at_all:
        notices.take_away(STRAYS)


def verify() -> int | None:
    """The first sequence number that does not fit (a gap counts as the missing number); None when the chain holds."""
    fault = checking.first_fault()
    return fault.seq if fault else None


def head() -> tuple[int, str]:
    """Sequence number and hash of the last seal, to be kept outside the database."""
    last = AuditSeal.objects.order_by("-seq").first()
    return (last.seq, last.hash) if last else (0, GENESIS)
