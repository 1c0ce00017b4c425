"""What somebody tried and was refused stands in the trail too: 403, four eyes, fields that nobody may set, a refresh token used
twice, a locked log-in. Written after the rollback of what was refused, in a short transaction of its own, and never a reason
for a request to fail. Somebody who tries again and again writes one event a minute; the next one has the count."""

import logging
import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from mediscan_site.core import audit
from mediscan_site.core.models import User

log = logging.getLogger(__name__)

ACTION: Final = "refused"
WINDOW_S: Final = 60.0
KEYS: Final = 2000
# Keys and codes of rows. Whatever else stands in an address was typed by somebody, and may be a name.
_IDENTIFIER: Final = re.compile(r"[a-z]{0,4}[0-9]{1,12}", re.ASCII)


@dataclass
class _Seen:
    since: float
    count: int = 0


_lock = threading.Lock()
_seen: OrderedDict[tuple[Any, ...], _Seen] = OrderedDict()


def note(
    action: str, *, actor: User | None, obj: User | None = None, about: tuple[Any, ...] = (), **details: Any
) -> None:
    """Write the event, unless the same actor had one about the same a minute ago."""
    count = _due((action, actor.pk if actor else None, obj.pk if obj else None, *about))
    if not count:
        return
    facts = {**details, "count": count} if count > 1 else details
    try:
        with transaction.atomic():
            audit.record(action, actor=actor, obj=obj, details=facts, actor_name=obj.username if obj else "")
    except Exception:
        # The refusal itself is what the caller must get.
        log.exception("The refusal was not written to the audit trail")


def note_request(request: Any, code: str, **details: Any) -> None:
    """Note that this signed-in person's request was refused. `request` is Django's or the API's."""
    actor = getattr(request, "user", None)
    match = getattr(request, "resolver_match", None)
    if not isinstance(actor, User) or match is None:
        return
    route, wanted = match.url_name or "", str(match.kwargs.get("pk", ""))
    known = {"object": wanted} if _IDENTIFIER.fullmatch(wanted) else {}
    about = (code, route, request.method, wanted)
    facts: dict[str, Any] = {"code": code, "route": route, "method": request.method, **known, **details}
    note(ACTION, actor=actor, about=about, **facts)


def _due(key: tuple[Any, ...]) -> int:
    """How many attempts the event that is to be written now stands for; 0: none is."""
    now = time.monotonic()
    with _lock:
        seen = _seen.get(key)
        if seen is not None and now - seen.since < WINDOW_S:
            seen.count += 1
            return 0
        _seen[key] = _Seen(now)
        _seen.move_to_end(key)
        while len(_seen) > KEYS:
            _seen.popitem(last=False)
        return 1 + (seen.count if seen else 0)


def forget() -> None:
    """For tests: everybody's next attempt is their first."""
    with _lock:
        _seen.clear()
