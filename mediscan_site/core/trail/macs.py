"""What an event proves by itself. Its writer signs it (HMAC-SHA256 under a key of the site) in the moment of writing, so a row
that SQL put into the table is no event; the sealer's digest then gives it its place in the chain."""

import hashlib
import hmac
import json
from typing import Any

from mediscan_site.core.models import AuditEvent
from mediscan_site.core.storage import ring

_PURPOSE = b"mediscan audit event, version 1"
# Up to here databases agree on what is the same number; a JSON column may give 1e+16 back as an integer.
_EXACT = 2**53
# So many digits every database gives back. MySQL reads a JSON number of 16 digits one off in its last place.
_DIGITS = 12


def mac(event: AuditEvent) -> str:
    """Over all that was recorded and the event's own `uid`, which is unique: a copy of an event is none. The primary key is
    not known yet; the chain holds it."""
    return _mac(event, rounded(event.details))


def is_genuine(event: AuditEvent) -> bool:
    """Whether the site wrote this row, as it stands."""
    if event.uid is None:
        return False
    # An event of an older version has its numbers with all their digits.
    return hmac.compare_digest(event.mac, mac(event)) or hmac.compare_digest(event.mac, _mac(event, event.details))


def rounded(value: Any) -> Any:
    """Details as they are recorded: numbers that are not whole to 12 significant digits."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if not isinstance(value, float) or (value.is_integer() and abs(value) < _EXACT):
        return value
    return float(f"{value:.{_DIGITS}g}")


def _mac(event: AuditEvent, details: Any) -> str:
    if event.uid is None:
        return ""
    key = hmac.digest(ring.current().audit_key, _PURPOSE, "sha256")
    content = [event.uid.hex, *_facts(event), _plain(details)]
    return hmac.digest(key, _canonical(content), "sha256").hex()


def digest(event: AuditEvent, prev_hash: str, seq: int) -> str:
    """The hash that binds the event to its place in the chain."""
    content = [seq, prev_hash, event.pk, *_facts(event), event.details]
    return hmac.new(ring.current().audit_key, _canonical(content), hashlib.sha256).hexdigest()


def _facts(event: AuditEvent) -> list[Any]:
    return [
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
    ]


def _canonical(content: list[Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _plain(value: Any) -> Any:
    """The details as any of the databases would give them back."""
    if isinstance(value, dict):
        return {name if isinstance(name, str) else json.dumps(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < _EXACT else float(value)
    return int(value) if abs(value) < _EXACT and value.is_integer() else value
