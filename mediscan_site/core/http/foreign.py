"""Fields that no request sets: who somebody is, and whose work something is. Sent all the same they are refused and audited,
not passed over in silence. What an answer shows is not among them: a client may send back what it has read."""

from collections.abc import Mapping
from typing import Final

from rest_framework.request import Request

from mediscan_site.core import refusals
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.repeating import READ_AGAIN, SAFE

CODE: Final = "read_only_field"
NOBODYS: Final = (
    "is_staff",
    "is_superuser",
    "groups",
    "user_permissions",
    "role",
    "password",
    "actor",
    "made_by",
    "reader",
    "reviewer",
)


def refuse_foreign_fields(request: Request, settable: tuple[str, ...]) -> None:
    """Raises Invalid `read_only_field` naming the first. Bodies with files or of raw bytes are not read here."""
    kind = (request.content_type or "").partition(";")[0].strip()
    if request.method in SAFE or kind not in READ_AGAIN or not isinstance(request.data, Mapping):
        return
    sent = [name for name in NOBODYS if name in request.data and name not in settable]
    if sent:
        refusals.note_request(request, CODE, fields=sent)
        raise Invalid(f"{sent[0]} is not for a request to set. Leave it out.", code=CODE, attr=sent[0])
