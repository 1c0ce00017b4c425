"""What somebody did, in words: the actions of the audit trail as a page of a person tells them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.urls import reverse

from images.models import scan_code
from mediscan_site.core.models import AuditEvent
from mediscan_site.front.audit_words import ACTIONS


def _number(key: int) -> str:
    return f"#{key}"


# Objects with a page of their own: how one is called, and the name of the page's address.
_PAGES: Final[dict[str, tuple[Callable[[int], str], str]]] = {
    "image": (scan_code, "scan"),
    "snapshot": (lambda key: f"dataset{key:03d}", "dataset"),
    "modelversion": (lambda key: f"model{key:03d}", "model"),
    "trainingrun": (lambda key: f"training{key:03d}", "run"),
    "import": (_number, "import"),
    "export": (_number, "export"),
    "grade": (_number, "grade_detail"),
    "project": (_number, "project"),
    "user": (_number, "user"),
}


@dataclass(frozen=True, slots=True)
class Deed:
    """`object` and `url`: what it was done to, where that has a page."""

    at: datetime
    words: str
    object: str
    url: str


def deeds(events: Iterable[AuditEvent]) -> list[Deed]:
    return [_deed(event) for event in events]


def _deed(event: AuditEvent) -> Deed:
    words = str(ACTIONS.get(event.action, event.action))
    named = _PAGES.get(event.object_type)
    if named is None or not event.object_id.isdecimal():
        return Deed(event.at, words, "", "")
    code, page = named
    key = int(event.object_id)
    return Deed(event.at, words, code(key), reverse(page, args=[key]))
