"""The scans on which two versions differ, for a person to look at."""

from typing import Any

from django.utils.translation import gettext as _

from models_registry.browsing import kept
from models_registry.browsing.comparing import FIRST, NEITHER, SECOND, Comparison, Differing


def shown(user: Any, found: Comparison, right: str) -> list[dict[str, Any]]:
    """The surest, as many as a page has. `right`: whose answers are; empty for all.
    None that this person is reading blind, or whose answer is covered from them."""
    if not found.readings:
        return []
    first = found.surest.get(right, ())
    rows = kept.visible(user).filter(evaluation=found.readings[0], image__in=[one.image for one in first])
    scans = {row.image_id: row.image for row in rows.select_related("image")}
    names = [entry["name"] for entry in found.first.classes]
    return [_row(one, scans[one.image], names) for one in first if one.image in scans]


def _row(one: Differing, scan: Any, names: list[str]) -> dict[str, Any]:
    said = [
        {"name": names[place], "confidence": sure, "right": place == one.truth}
        for place, sure in zip(one.said, one.confidence, strict=True)
    ]
    return {"scan": scan, "truth": names[one.truth], "said": said}


def choices(found: Comparison) -> list[dict[str, str]]:
    """Whose answers are right, with how many scans there are of each."""
    only = _("Only %(code)s is right: %(n)s")
    said = {
        "": _("All: %(n)s") % {"n": found.count("")},
        FIRST: only % {"code": found.first.code, "n": found.count(FIRST)},
        SECOND: only % {"code": found.second.code, "n": found.count(SECOND)},
        NEITHER: _("Neither is right: %(n)s") % {"n": found.count(NEITHER)},
    }
    return [{"key": key, "words": words} for key, words in said.items()]
