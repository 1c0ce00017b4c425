"""Asking somebody to join: an account without a password, and a link by which its person chooses one.

The link is made where it goes out, by the worker that mails it or for the administrator who hands it over, and is kept nowhere.
It is signed, good for a week, and ends when another one is made, when the invitation is taken back, and with the password."""

import logging
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Final

from django.conf import settings
from django.core import signing
from django.core.mail import send_mail
from django.db import OperationalError, transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _

from mediscan_site.core import audit, notices, services, work
from mediscan_site.core.auth import password_mark
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import ENDED, Invitation, Role, User, WorkStatus
from mediscan_site.core.policies import require_admin
from mediscan_site.core.preferences import value_of
from mediscan_site.core.resets import LONGEST_RETRY_S, MAIL_AWAY, NOTICE, RETRY_S

log = logging.getLogger(__name__)
LASTS: Final = timedelta(days=7)
SALT: Final = "mediscan.invitation"
REFUSED: Final = "The mail server refuses this address. Correct it, and send the invitation again."


class Refused(Exception):
    """The mail server refuses the address."""


class Links:
    """Makes and checks what stands in the link, as Django's view of one-time links asks for it."""

    def make_token(self, user: User) -> str:
        return signing.dumps(password_mark(user)[:32], salt=SALT)

    def check_token(self, user: User | None, token: str) -> bool:
        if user is None or not user.is_active:
            return False
        try:
            is_its_own = signing.loads(token, salt=SALT, max_age=LASTS) == password_mark(user)[:32]
        except signing.BadSignature:
            return False
        # A link that was made later, handed over or mailed late, ends with its invitation too.
        row = Invitation.objects.filter(user=user).first()
        return bool(is_its_own and row is not None and row.is_open and not row.has_expired)


def invite(
    *, actor: User, username: str, email: str, base_url: str, role: str = Role.DOCTOR
) -> tuple[Invitation, str | None]:
    """A new account and its invitation. The link where no mail goes out, to be handed over: it is shown only once."""
    require_admin(actor)
    if settings.SENDS_MAIL and not email.strip():
        raise Invalid("Give the address to which the invitation is mailed.", attr="email", code="required")
    with transaction.atomic():
        user = services.create_user(actor=actor, username=username, email=email.strip(), role=role)
        row = Invitation(user=user, invited_by=actor, base_url=base_url, expires_at=timezone.now() + LASTS)
        row.status = WorkStatus.QUEUED if settings.SENDS_MAIL else WorkStatus.SUCCEEDED
        row.save(force_insert=True)
        audit.record("user.invite", actor=actor, obj=user)
        return row, _out(row)


def invite_again(*, actor: User, user: User, base_url: str) -> tuple[Invitation, str | None]:
    """A new link for another week; older ones end. Also after the invitation was taken back."""
    require_admin(actor)
    with transaction.atomic():
        row = _unaccepted(user)
        if not row.user.is_active:
            services.update_user(actor=actor, user=row.user, changes={"is_active": True})
        _end_links(row.user)
        row.base_url, row.expires_at, row.taken_back_at, row.mailed = base_url, timezone.now() + LASTS, None, False
        row.status = WorkStatus.QUEUED if settings.SENDS_MAIL and row.user.email else WorkStatus.SUCCEEDED
        row.error, row.queued_at = "", timezone.now()
        row.save()
        audit.record("user.invite", actor=actor, obj=row.user, details={"again": True})
        return row, _out(row)


def hand_over(*, actor: User, user: User, base_url: str) -> str:
    """A link to be handed over by the administrator, besides the one that was mailed: whichever is used first ends both."""
    require_admin(actor)
    with transaction.atomic():
        row = _unaccepted(user)
        if not row.is_open or row.has_expired:
            raise Conflict("This invitation has ended. Send it again.", code="invitation_ended")
        audit.record("user.update", actor=actor, obj=row.user, details={"fields": ["invitation_link"]})
    return link(row.user, base_url)


def take_back(*, actor: User, user: User) -> Invitation:
    """End the invitation: its links are void, and its account cannot be used."""
    require_admin(actor)
    with transaction.atomic():
        row = _unaccepted(user)
        services.update_user(actor=actor, user=row.user, changes={"is_active": False})
        _end_links(row.user)
        row.taken_back_at = timezone.now()
        row.status = WorkStatus.CANCELLED if row.status not in ENDED else row.status
        row.save()
        audit.record("user.uninvite", actor=actor, obj=row.user)
        return row


def link(user: User, base_url: str) -> str:
    parts = {"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": Links().make_token(user)}
    return base_url.rstrip("/") + reverse("invitation", kwargs=parts)


def _out(row: Invitation) -> str | None:
    """Have it mailed, or give the link to be handed over."""
    if row.status == WorkStatus.QUEUED:
        work.wake(row)
        return None
    return link(row.user, row.base_url)


def _unaccepted(user: User) -> Invitation:
    row = Invitation.objects.select_for_update().select_related("user", "invited_by").filter(user=user).first()
    if row is None:
        raise Conflict("This account was not invited. Make a one-time link instead.", code="not_invited")
    if row.accepted_at is not None:
        raise Conflict("This invitation has been accepted.", code="invitation_accepted")
    return row


def _end_links(user: User) -> None:
    """Django's mark of an account without a password is another one each time, and links are made of it."""
    user.set_unusable_password()
    user.save(update_fields=["password"])


def run(pk: int) -> None:
    """The worker's side: mails the link. While the mail server is away it tries again until the invitation has expired."""
    attempt = work.claim(Invitation, pk)
    if attempt is None:
        return
    row = Invitation.objects.select_related("user", "invited_by").get(pk=pk)
    try:
        with work.keep_alive(Invitation, pk, attempt):
            mailed = row.is_open and row.user.is_active and _mail(row)
    except OperationalError:
        log.warning("Invitation %s paused", pk, exc_info=True)
    except OSError as error:
        _put_off(row, attempt, error)
    except Refused:
        work.finish(Invitation, pk, attempt, status=WorkStatus.FAILED, error=REFUSED)
    except Exception as error:
        log.exception("Invitation %s failed", pk)
        work.finish(Invitation, pk, attempt, status=WorkStatus.FAILED, error=work.describe_failure(error))
    else:
        work.finish(Invitation, pk, attempt, status=WorkStatus.SUCCEEDED, mailed=mailed)


def _mail(row: Invitation) -> bool:
    with translation.override(value_of(row.user, "language") or settings.LANGUAGE_CODE):
        text = _letter(row)
        subject = _("Your invitation to MediScan")
    try:
        send_mail(subject, text, None, [row.user.email])
    except SMTPRecipientsRefused as error:
        raise Refused from error
    notices.take_away(NOTICE)
    audit.record_alone("user.invite_mail", obj=row.user)
    return True


def _letter(row: Invitation) -> str:
    facts = {
        "name": row.user.username,
        "by": row.invited_by.username,
        "link": link(row.user, row.base_url),
        "days": LASTS.days,
    }
    return (
        _(
            """Hello,

%(by)s invites you to MediScan. Your user name is %(name)s. To choose a password and begin, open this link within %(days)d days:

%(link)s

If you did not expect this, you need not do anything.
"""
        )
        % facts
    )


def _put_off(row: Invitation, attempt: int, error: OSError) -> None:
    reason = type(error).__name__
    log.warning("No mail for invitation %s: %s", row.pk, reason)
    notices.put(NOTICE, MAIL_AWAY.format(reason=reason))
    if row.has_expired:
        said = "The mail server was away until the invitation had expired."
        work.finish(Invitation, row.pk, attempt, status=WorkStatus.FAILED, error=said)
    else:
        work.put_off(Invitation, row.pk, attempt, seconds=min(RETRY_S * attempt, LONGEST_RETRY_S))
