"""How often somebody may do what is limited. Counted in the database, so it holds over all processes; what is counted for (an
address, a name) is kept as a keyed digest."""

import hashlib
import hmac
from datetime import timedelta

from django.utils import timezone

from mediscan_site.core import tidy
from mediscan_site.core.models import Tally
from mediscan_site.core.storage import ring

LONGEST = timedelta(days=1)


def digest(text: str) -> str:
    """Tells two texts apart and gives neither away."""
    key = ring.current().derived("limits")
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def spend(what: str, who: str, *, limit: int, within: timedelta) -> bool:
    """Count one use; False, and nothing counted, when `limit` of them were made `within` this time (at most LONGEST).

    Written first and counted then: of two at the same moment none slips through."""
    own = Tally.objects.create(what=what, who=digest(who))
    used = Tally.objects.filter(what=what, who=own.who, at__gt=timezone.now() - within).count()
    if used > limit:
        own.delete()
        return False
    return True


@tidy.register
def forget() -> None:
    Tally.objects.filter(at__lt=timezone.now() - LONGEST).delete()
