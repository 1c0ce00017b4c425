"""What administrators must know until it is mended: shown on their dashboard and counted in /metrics.

A notice is a standing fact, not an event: whoever finds the trouble puts it, as often as it likes; whoever finds the trouble
gone takes it away. The audit trail keeps what happened."""

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


def standing() -> list[Notice]:
    """All notices, the oldest first."""
    return list(Notice.objects.order_by("since", "id"))


def count() -> int:
    """How many are not mended yet."""
    return Notice.objects.count()
