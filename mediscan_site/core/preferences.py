"""What a person may set for themselves: one row for each preference, from which the page, the API and the checks derive.

Kept as one JSON value on the account; what is not there has its default. A preference changes what a page looks like or who is
told, never what anybody may do."""

import functools
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from mediscan_site.core import text
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import User

THEMES: Final = ("system", "light", "dark")
DIGESTS: Final = ("off", "daily", "weekly")
THUMBNAIL_SIZES: Final = (96, 400)
MOST_PRESETS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """`check` gives the value as it is kept, and raises Invalid naming the preference."""

    default: Any
    check: Callable[[str, Any], Any]
    help: str


def _one_of(*allowed: str) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> str:
        return text.choice(value, attr=name, choices=allowed) or allowed[0]

    return check


def _flag(name: str, value: Any) -> bool:
    return text.flag(value, attr=name)


def _whole(low: int, high: int) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> int:
        number = text.number(value)
        if not low <= number <= high or number != int(number):
            raise Invalid(f"{name} must be a whole number from {low} to {high}.", attr=name)
        return int(number)

    return check


def _language(name: str, value: Any) -> str:
    return text.choice(value, attr=name, choices=[code for code, _ in settings.LANGUAGES]) or ""


@functools.cache
def time_zones() -> frozenset[str]:
    """Every name of a zone that is known here; finding them reads a folder."""
    return frozenset(zoneinfo.available_timezones())


def _time_zone(name: str, value: Any) -> str:
    zone = text.line(value, attr=name, max_length=64)
    if zone and zone not in time_zones():
        raise Invalid(f"'{zone}' is no time zone. Use a name such as Europe/Berlin, or leave it empty.", attr=name)
    return zone


def _presets(name: str, value: Any) -> list[dict[str, Any]]:
    """Windows of the viewer: a name, the middle and the width, in the scan's own values, and a modality or none."""
    if not isinstance(value, list) or len(value) > MOST_PRESETS:
        raise Invalid(f"{name} must be a list of at most {MOST_PRESETS} windows.", attr=name)
    return [_preset(name, row) for row in value]


def _preset(name: str, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict) or set(row) - {"name", "centre", "width", "modality"}:
        raise Invalid(f"{name}: a window has a name, centre, width and perhaps a modality.", attr=name)
    width = text.number(row.get("width"))
    if not width > 0:
        raise Invalid(f"{name}: the width of a window is above 0.", attr=name)
    return {
        "name": text.line(row.get("name"), attr=name, max_length=40, required=True),
        "centre": text.number(row.get("centre")),
        "width": width,
        "modality": text.line(row.get("modality"), attr=name, max_length=16),
    }


PREFERENCES: Final = {
    "theme": Preference(default="system", check=_one_of(*THEMES), help="light or dark pages; system: as the machine says"),
    "language": Preference(default="", check=_language, help="of the pages; empty: as the browser says"),
    "time_zone": Preference(default="", check=_time_zone, help="of times on pages; empty: the browser's, else the site's"),
    "letter_keys": Preference(default=True, check=_flag, help="whether single keys act on pages (WCAG 2.1.4)"),
    "thumbnail_size": Preference(default=168, check=_whole(*THUMBNAIL_SIZES), help="pixels, in lists of scans"),
    "window_presets": Preference(default=[], check=_presets, help="windows of one's own in the viewer"),
    "digest": Preference(default="off", check=_one_of(*DIGESTS), help="a mail of what waits"),
    "mail_notices": Preference(default=False, check=_flag, help="whether each notice is mailed at once"),
}  # fmt: skip


def value_of(user: object, name: str) -> Any:
    """What the person chose, or the default; the default for whoever is not signed in."""
    kept = user.preferences if isinstance(user, User) else {}
    return kept.get(name, PREFERENCES[name].default)


def all_of(user: User) -> dict[str, Any]:
    return {name: value_of(user, name) for name in PREFERENCES}


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are kept. Raises Invalid for a name that is none."""
    for name in values:
        if name not in PREFERENCES:
            raise Invalid(f"There is no preference {name}. There are: {', '.join(PREFERENCES)}.", attr=name)
    return {name: PREFERENCES[name].check(name, value) for name, value in values.items()}
