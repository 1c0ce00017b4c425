"""What must be well before the site takes work. `/readyz` asks every part; apps register theirs."""

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)
AWAY = "away"
_parts: dict[str, Callable[[], str]] = {}


class NotReady(Exception):
    """A part answers, and must not be used as it is. Its text is one or two words for /readyz, such as "damaged"."""


def part(name: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Have `/readyz` ask this too: it returns one or two words such as "ok", or raises. Used as a decorator."""

    def registered(check: Callable[[], str]) -> Callable[[], str]:
        _parts[name] = check
        return check

    return registered


def states() -> tuple[dict[str, str], bool]:
    """The word of every part, and whether all are ready."""
    found = {name: _state(name, check) for name, check in _parts.items()}
    return {name: word for name, (word, _) in found.items()}, all(well for _, well in found.values())


def _state(name: str, check: Callable[[], str]) -> tuple[str, bool]:
    try:
        return check(), True
    except NotReady as error:
        log.error("Not ready: %s is %s", name, error)
        return str(error), False
    except Exception:
        # Whatever it is: the caller learns which part, the log learns why.
        log.exception("Not ready: %s", name)
        return AWAY, False
