"""Telling people, and what they do with it. `tell` is called in the transaction of what it tells of."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
# So many people, or messages, are one statement.
AT_ONCE: Final = 500
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


@dataclass(frozen=True, slots=True)
class Waiting:
    """So much work of one kind waits for this person in this project."""

    user: User
    project: int | None
    number: int
    url: str
    facts: Mapping[str, Any]

    @property
    def said(self) -> dict[str, Any]:
        return {**self.facts, "number": self.number}


def tell_of_all_work(kind: str, waiting: Sequence[Waiting]) -> None:
    """Work waits. One message stands for all of a person's in a project: unread it says the number of now, and goes when nothing
    waits any more. So many queries however many people wait."""
    now = timezone.now()
    unread = _by_place(Message.objects.filter(kind=kind, read_at=None), waiting)
    late = _by_place(told_lately(kind).filter(read_at__isnull=False), waiting)
    done: list[int] = []
    changed, new = [], []
    for one in waiting:
        there = unread.get((one.user.pk, one.project), [])
        if not one.number:
            done += [row.pk for row in there]
        elif there:
            changed += [row for row in there if row.facts != one.said]
            for row in there:
                row.facts = one.said
        elif not late.get((one.user.pk, one.project)):
            new.append(one)
    for start in range(0, len(done), AT_ONCE):
        Message.objects.filter(pk__in=done[start : start + AT_ONCE], read_at=None).update(read_at=now)
    Message.objects.bulk_update(changed, ["facts"], batch_size=AT_ONCE)
    rows = [_message(one, kind, f"{kind}:{one.project}:{now:%Y%m%d%H}") for one in new if one.user.is_active]
    insert_all(rows, ignore_conflicts=True)


def _by_place(rows: QuerySet[Message], waiting: Sequence[Waiting]) -> dict[tuple[int, int | None], list[Message]]:
    people, found = list({one.user.pk for one in waiting}), defaultdict(list)
    for start in range(0, len(people), AT_ONCE):
        for row in rows.filter(user__in=people[start : start + AT_ONCE]):
            found[row.user_id, row.project].append(row)
    return found


def _message(one: Waiting, kind: str, key: str) -> Message:
    return Message(
        user=one.user,
        kind=kind,
        key=key,
        url=one.url,
        facts=one.said,
        project=one.project,
        mail=_mail(one.user, kind),
    )


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
