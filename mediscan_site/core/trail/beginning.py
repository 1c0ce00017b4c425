"""Where MACs begin. Events of before have none; the chain proves them, up to the one that says so: it is written, with its MAC,
and sealed by the migration itself, so nobody who lacks the key can move that line or slip another event before it."""

from typing import Any, Final

from mediscan_site.core.trail import macs

ACTION: Final = "trail.begin"
GENESIS: Final = "0" * 64
BATCH: Final = 500


def note(events: Any, seals: Any) -> None:
    """Takes the two models as the migration has them. A trail that is empty needs no note: then every event has its MAC."""
    if not events.objects.exists():
        return
    _seal(events, seals)
    last = seals.objects.order_by("-seq").first()
    event = events(action=ACTION, details={"without": last.seq})
    event.mac = macs.mac(event)
    event.save(force_insert=True)
    _seal(events, seals)


def _seal(events: Any, seals: Any) -> None:
    head = seals.objects.order_by("-seq").first()
    seq, prev = (head.seq, head.hash) if head else (0, GENESIS)
    while batch := list(events.objects.filter(seal__isnull=True).order_by("id")[:BATCH]):
        made = []
        for event in batch:
            seq += 1
            made.append(seals(seq=seq, event=event, prev_hash=prev, hash=macs.digest(event, prev, seq)))
            prev = made[-1].hash
        seals.objects.bulk_create(made)


def is_note(event: Any, seq: int) -> bool:
    """Whether this event, which is genuine, ends the part without MACs just before `seq`."""
    return bool(event.action == ACTION and event.details == {"without": seq - 1})
