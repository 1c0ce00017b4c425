"""Telling people, and what they do with it. `tell` is called in the transaction of what it tells of."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from mediscan_site.core import tidy
from mediscan_site.core.database import insert_all
from mediscan_site.core.messages.kinds import KINDS
from mediscan_site.core.models import Message, User
from mediscan_site.core.preferences import value_of

KEPT: Final = timedelta(days=90)
# Of work that waits nobody is told again sooner, however much of it comes.
TOLD_AGAIN: Final = timedelta(hours=20)


def tell(
    people: Iterable[User],
    kind: str,
    *,
    key: str,
    url: str,
    facts: Mapping[str, Any] | None = None,
    project: int | None = None,
) -> None:
    """Tell each of these active accounts once, however often it is said with the same `key`. `url`: a path of this site."""
    if kind not in KINDS:
        raise ValueError(f"no kind of message: {kind}")
    rows = [
        Message(
            user=user,
            kind=kind,
            key=key,
            url=url,
            facts=dict(facts or {}),
            project=project,
            mail=_mail(user, kind),
        )
        for user in people
        if user.is_active
    ]
    insert_all(rows, ignore_conflicts=True)


def _mail(user: User, kind: str) -> str:
    can = settings.SENDS_MAIL and user.email and not KINDS[kind].mails_itself
    wanted = can and value_of(user, "mail_notices")
    return Message.Mail.WANTED if wanted else Message.Mail.NONE


def tell_of_work(user: User, kind: str, *, number: int, url: str, facts: Mapping[str, Any], project: int) -> None:
    """Work waits. One message stands for all of it: unread it says the number of now, and goes when nothing waits any more."""
    unread = Message.objects.filter(user=user, kind=kind, project=project, read_at=None)
    if not number:
        unread.update(read_at=timezone.now())
    elif not unread.update(facts={**facts, "number": number}):
        now = timezone.now()
        if told_lately(kind).filter(user=user, project=project).exists():
            return
        key = f"{kind}:{project}:{now:%Y%m%d%H}"
        tell([user], kind, key=key, url=url, facts={**facts, "number": number}, project=project)


def told_lately(kind: str) -> QuerySet[Message]:
    return Message.objects.filter(kind=kind, created_at__gt=timezone.now() - TOLD_AGAIN)


def read(*, actor: User, messages: Iterable[int]) -> int:
    """Note that these of the actor's messages were read; how many were not yet."""
    own = Message.objects.filter(user=actor, pk__in=list(messages), read_at=None)
    return own.update(read_at=timezone.now())


def read_all(*, actor: User, until: int | None = None) -> int:
    """All, or those up to the one that the actor has seen: what came in meanwhile stays unread."""
    own = Message.objects.filter(user=actor, read_at=None)
    if until is not None:
        own = own.filter(pk__lte=until)
    return own.update(read_at=timezone.now())


@tidy.register
def forget() -> None:
    Message.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
