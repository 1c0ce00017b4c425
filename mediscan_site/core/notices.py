"""What administrators must know until it is mended: shown on their dashboard and counted in /metrics.

A notice is a standing fact, not an event: whoever finds the trouble puts it, as often as it likes; whoever finds the trouble
gone takes it away. The audit trail keeps what happened."""

import socket
from collections.abc import Collection

from mediscan_site.core.again import done_again
from mediscan_site.core.models import Notice


@done_again
def put(key: str, sentence: str) -> None:
    """Show `sentence` until `take_away(key)`. Said again it is renewed and keeps its date."""
    Notice.objects.update_or_create(key=key, defaults={"sentence": sentence})


@done_again
def take_away(key: str) -> None:
    """The trouble is mended; nothing happens where there is no such notice."""
    Notice.objects.filter(key=key).delete()


def here(trouble: str) -> str:
    """The key of a trouble of this machine: others, which have it too or not, neither change the notice nor take it away."""
    return f"{trouble}@{socket.gethostname()}"


def forget_machines(known: Collection[str]) -> None:
    """Take away the notices of machines that are not among these: nobody else would."""
    for key in Notice.objects.filter(key__contains="@").values_list("key", flat=True):
        if key.rpartition("@")[2] not in known:
            take_away(key)


def standing() -> list[Notice]:
    """All notices, the oldest first."""
    return list(Notice.objects.order_by("since", "id"))


def count() -> int:
    """How many are not mended yet."""
    return Notice.objects.count()
