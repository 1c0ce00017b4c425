"""The audit trail. An event is a row of the same transaction as the change it records. One sealer then chains the events
(HMAC-SHA256 over the event and the hash before it), so that no request ever waits for the chain's head."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, models, transaction

from mediscan_site.core.again import done_again
from mediscan_site.core.http.context import current_context
from mediscan_site.core.models import AuditEvent, AuditSeal, User

GENESIS = "0" * 64
SEAL_BATCH = 500


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
            details=details,
        )
        for obj, details in about
    ]
    if len(events) == 1:
        # Alone it also gets its key where the database does not return those of many.
        events[0].save(force_insert=True)
        return events
    return AuditEvent.objects.bulk_create(events)


def _digest(event: AuditEvent, prev_hash: str, seq: int) -> str:
    content = [
        seq,
        prev_hash,
        event.pk,
        # Whole microseconds since the epoch: databases differ in how they print a time.
        int(event.at.timestamp() * 1_000_000),
        event.actor_id,
        event.actor_name,
        event.action,
        event.object_type,
        event.object_id,
        event.project,
        event.ip,
        event.request_id,
        event.details,
    ]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.new(settings.KEY_RING.audit_key, canonical.encode(), hashlib.sha256).hexdigest()


def seal_pending() -> int:
    """Chain the events that have no seal yet; returns how many. A raced sealer loses on a unique key and stops."""
    sealed = 0
    while batch := _seal_batch():
        sealed += batch
    return sealed


@done_again
def _seal_batch() -> int:
    head = AuditSeal.objects.order_by("-seq").first()
    seq, prev = (head.seq, head.hash) if head else (0, GENESIS)
    seals = []
    for event in AuditEvent.objects.filter(seal__isnull=True).order_by("id")[:SEAL_BATCH]:
        seq += 1
        seal = AuditSeal(seq=seq, event=event, prev_hash=prev, hash=_digest(event, prev, seq))
        prev = seal.hash
        seals.append(seal)
    try:
        with transaction.atomic():
            AuditSeal.objects.bulk_create(seals)
    except IntegrityError:
        return 0
    return len(seals)


def verify() -> int | None:
    """The first sequence number whose seal does not fit (a gap counts as the missing number); None when the chain holds.

    An event removed together with every seal after it leaves no trace here: compare the head with one kept elsewhere.
    """
    prev, expected = GENESIS, 1
    for seal in AuditSeal.objects.select_related("event").order_by("seq").iterator(chunk_size=2000):
        if seal.seq != expected or seal.prev_hash != prev or seal.hash != _digest(seal.event, prev, seal.seq):
            return expected
        prev, expected = seal.hash, expected + 1
    return None


def head() -> tuple[int, str]:
    """Sequence number and hash of the last seal, to be kept outside the database."""
    last = AuditSeal.objects.order_by("-seq").first()
    return (last.seq, last.hash) if last else (0, GENESIS)
