"""Does the trail hold? Reads it in order, a page at a time, so that neither memory nor a cursor grows with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mediscan_site.core.models import AuditSeal
from mediscan_site.core.trail import beginning, macs, queue

PAGE: Final = 2000
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


def first_fault() -> Fault | None:
    """None when the chain holds from the first event to the last that is there. A tail cut off leaves no trace here: for that
    there are anchors."""
    prev, expected, unsigned = beginning.GENESIS, 1, True
    for seal in _seals():
        why = _wrong(seal, prev, expected)
        signed = bool(seal.event.mac)
        if not why and (signed or not unsigned):
            why = _unproven(seal, first=unsigned)
            unsigned = False
        if why:
            return Fault(expected, why)
        prev, expected = seal.hash, expected + 1
    return Fault(expected, NO_BEGINNING) if unsigned and expected > 1 else None


def _seals() -> Iterator[AuditSeal]:
    after = 0
    while page := list(AuditSeal.objects.filter(seq__gt=after).select_related("event").order_by("seq")[:PAGE]):
        yield from page
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
