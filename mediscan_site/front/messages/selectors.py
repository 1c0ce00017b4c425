"""Messages as their reader may see them: one about a project is gone with the project's membership."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from images.policies import visible_projects
from mediscan_site.core.messages import selectors
from mediscan_site.core.messages.kinds import KINDS, sentence_of
from mediscan_site.core.models import Message, User
from mediscan_site.core.policies import is_admin


def visible_messages(user: Any) -> QuerySet[Message]:
    if not isinstance(user, User) or not user.is_active:
        return Message.objects.none()
    own = selectors.messages_of(user)
    if is_admin(user):
        return own
    return own.filter(Q(project=None) | Q(project__in=visible_projects(user).values("pk")))


def unread(user: Any) -> int:
    """How many the bell says; `selectors.COUNTED` stands for that many and more."""
    return selectors.unread(visible_messages(user))


@dataclass(frozen=True)
class Line:
    """A message as a page shows it: its sentence is in the reader's language."""

    message: Message
    sentence: str
    icon: str
    bad: bool


def line(message: Message) -> Line:
    kind = KINDS.get(message.kind)
    sentence = sentence_of(message.kind, message.facts)
    return Line(message, sentence, kind.icon if kind else "check", kind.bad if kind else False)
