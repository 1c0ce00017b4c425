"""Messages by mail, each at once, for those who wish it. The row is the queue: a worker takes it by a conditional UPDATE, and
one that was lost on the way is taken again. A mail says what the page says: no patient, no name of a file."""

import logging
from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPException, SMTPRecipientsRefused
from typing import Final

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mediscan_site.core.database import ago
from mediscan_site.core.messages.kinds import sentence_of
from mediscan_site.core.messages.selectors import messages_of
from mediscan_site.core.models import Message, User
from mediscan_site.core.preferences import value_of

log = logging.getLogger(__name__)
# A worker that has begun a mail and not ended it after so long is lost; what could not be mailed within a day never is.
LOST: Final = timedelta(minutes=5)
GIVEN_UP: Final = timedelta(days=1)
AT_MOST: Final = 20
Visible = Callable[[User], QuerySet[Message]]


def can_mail() -> bool:
    return bool(settings.SENDS_MAIL)


def anything_to_mail() -> bool:
    return can_mail() and Message.objects.filter(mail=Message.Mail.WANTED).exists()


def mail_messages(visible: Visible = messages_of) -> None:
    """One mail for each person with what is new to them. A mail server that is away is tried again at the next look. `visible`:
    which messages somebody may see now: what they may not see any more is not mailed either."""
    if not settings.SENDS_MAIL:
        return
    Message.objects.filter(mail=Message.Mail.WANTED, created_at__lt=timezone.now() - GIVEN_UP).update(
        mail=Message.Mail.NONE
    )
    people = Message.objects.filter(_free()).order_by().values_list("user", flat=True).distinct()
    for user in User.objects.filter(pk__in=list(people[:100])).order_by("pk"):
        if not _mail(user, visible):
            return


def _free() -> Q:
    return Q(mail=Message.Mail.WANTED) & (Q(mail_begun_at=None) | Q(mail_begun_at__lt=ago(LOST)))


def _mail(user: User, visible: Visible) -> bool:
    """False when the mail server is away."""
    mine = _taken(user, visible)
    if not mine:
        return True
    rows = Message.objects.filter(pk__in=[message.pk for message in mine])
    try:
        send(user, *_letter(user, mine))
    except SMTPRecipientsRefused:
        log.warning("The mail server refuses the address of user %s", user.pk)
    except (OSError, SMTPException) as error:
        log.warning("No mail of messages for user %s: %s", user.pk, type(error).__name__)
        rows.update(mail_begun_at=None)
        return False
    rows.update(mail=Message.Mail.SENT)
    return True


def _taken(user: User, visible: Visible) -> list[Message]:
    """Those that this worker took; who has no address or may not log in any more is not mailed to."""
    waiting = list(Message.objects.filter(_free(), user=user).order_by("pk")[:AT_MOST])
    keys = [row.pk for row in waiting]
    shown = set()
    if user.is_active and user.email:
        shown = set(visible(user).filter(pk__in=keys).values_list("pk", flat=True))
    Message.objects.filter(pk__in=set(keys) - shown).update(mail=Message.Mail.NONE)
    waiting = [row for row in waiting if row.pk in shown]
    return [row for row in waiting if Message.objects.filter(_free(), pk=row.pk).update(mail_begun_at=Now())]


def _letter(user: User, messages: list[Message]) -> tuple[str, str]:
    with translation.override(value_of(user, "language") or settings.LANGUAGE_CODE):
        lines = [line for message in messages for line in (sentence_of(message.kind, message.facts), link(message.url))]
        subject = ngettext("MediScan: news for you", "MediScan: %(number)d news for you", len(messages))
        text = [_("Hello %(name)s,") % {"name": user.username}, "", *lines, "", why()]
        return subject % {"number": len(messages)}, "\n".join(text)


def why() -> str:
    return _("You get this mail because you asked for it on your account page, where you can end it.")


def link(path: str) -> str:
    """The address of a page in a mail; without PUBLIC_URL the site does not know its own, and a mail has none."""
    return f"{settings.PUBLIC_URL}{path}\n" if settings.PUBLIC_URL else ""


def send(user: User, subject: str, text: str) -> None:
    """To the address on file. Raises what the mail server says."""
    send_mail(subject, text, None, [user.email])
