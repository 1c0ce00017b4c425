"""Does the trail hold? Reads it in order, a page at a time, so that neither memory nor a cursor grows with it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from mediscan_site.core.models import AuditEvent, AuditSeal
from mediscan_site.core.trail import beginning, macs, queue

PAGE: Final = 2000
# How many seals lie between two notes of how far a check has come.
NOTED: Final = 50_000
GONE: Final = "it is missing"
CHANGED: Final = "it was changed, moved or put in"
NOT_OURS: Final = "it carries no valid signature of the site, which did not write it"
NO_BEGINNING: Final = (
    "the events before it carry no signature of the site, and nothing says that they are older than signatures"
)


@dataclass(frozen=True)
class Fault:
    """The first place where the chain does not hold, and why."""

    seq: int
    why: str


@dataclass(frozen=True)
class Place:
    """How far the chain was read: the last seal, which holds. Number 0: nothing was read yet."""

    seq: int = 0
    hash: str = beginning.GENESIS


def first_fault(start: Place | None = None, *, came_to: Callable[[Place], None] = lambda place: None) -> Fault | None:
    """None when the chain holds from the first event to the last that is there, or from `start`, up to which it was found to
    hold before. A tail cut off leaves no trace here: for that there are anchors. `came_to` is told now and then, and at the
    end, up to where it holds; not in a part that is older than MACs, which holds only by what follows it."""
    place, unsigned = start or Place(), start is None
    if start and AuditSeal.objects.filter(seq=start.seq, hash=start.hash).first() is None:
        return Fault(start.seq, CHANGED)
    for seal in _seals(place.seq):
        why = _wrong(seal, place.hash, place.seq + 1)
        signed = bool(seal.event.mac)
        if not why and (signed or not unsigned):
            why = _unproven(seal, first=unsigned)
            unsigned = False
        if why:
            return Fault(place.seq + 1, why)
        place = Place(seal.seq, seal.hash)
        if not unsigned and place.seq % NOTED == 0:
            came_to(place)
    if unsigned and place.seq:
        return Fault(place.seq + 1, NO_BEGINNING)
    if place.seq:
        came_to(place)
    return None


def _seals(after: int) -> Iterator[AuditSeal]:
    while page := list(AuditSeal.objects.filter(seq__gt=after).order_by("seq")[:PAGE]):
        # By key: of a join an optimiser may read the wrong table first.
        events = AuditEvent.objects.in_bulk([seal.event_id for seal in page])
        for seal in page:
            seal.event = events.get(seal.event_id) or AuditEvent(pk=seal.event_id)
            yield seal
        after = page[-1].seq


def _wrong(seal: AuditSeal, prev: str, expected: int) -> str:
    if seal.seq != expected:
        return GONE
    if seal.prev_hash != prev or seal.hash != macs.digest(seal.event, prev, seal.seq):
        return CHANGED
    return ""


def _unproven(seal: AuditSeal, *, first: bool) -> str:
    """Why an event that must have its MAC is not to be believed. `first`: none before it had one."""
    if not macs.is_genuine(seal.event):
        return NOT_OURS
    if first and seal.seq > 1 and not beginning.is_note(seal.event, seal.seq):
        return NO_BEGINNING
    return ""


def strays() -> list[int]:
    """Rows of the events' table that the site did not write: the sealer leaves them out of the chain."""
    return list(queue.strays().values_list("event", flat=True))
