"""Forgotten passwords: a one-time link by mail.

Whoever asks gets the same answer in the same time whether there is such an account or not, and whatever the mail server does:
the request only writes a row, limits count by what was typed, and a worker looks for the account and sends."""

import logging
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

from django.core.mail import send_mail
from django.db import OperationalError, transaction
from django.utils import timezone

from mediscan_site.core import audit, limits, notices, tidy, work
from mediscan_site.core.http.context import current_context
from mediscan_site.core.models import ENDED, ResetRequest, WorkStatus
from mediscan_site.core.names import name_key
from mediscan_site.core.services import equal_but_for_case, reset_link

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
PER_ACCOUNT, PER_ADDRESS = 3, 30
KEPT = timedelta(days=1)
RETRY_S, LONGEST_RETRY_S = 20, 300
MAIL_SUBJECT = "Set your MediScan password"
MAIL_TEXT = """Hello {username},

somebody asked for a new password for your MediScan account. To choose one, open this link within three days:

{link}

If it was not you, nothing has changed and you need not do anything.
"""
NOTICE = "mail"
MAIL_AWAY = (
    "Mails cannot be sent ({reason}): people who forgot their password or are invited get no link. Check EMAIL_URL and the mail "
    "server; until then make one-time links on the pages of their accounts (Users)."
)


def ask_for_reset(*, email: str, base_url: str) -> None:
    """Have a link sent to every active account with this address. Quiet about everything, also about the limits."""
    typed = email.strip()
    asked = [
        limits.spend("reset from address", current_context().ip, limit=PER_ADDRESS, within=HOUR),
        limits.spend("reset of account", name_key(typed), limit=PER_ACCOUNT, within=HOUR),
    ]
    if all(asked):
        with transaction.atomic():
            work.wake(ResetRequest.objects.create(email=typed, base_url=base_url))


def run(pk: int) -> None:
    """The worker's side. While the mail server is away it tries again, for as long as anybody may still be waiting."""
    attempt = work.claim(ResetRequest, pk)
    if attempt is None:
        return
    request = ResetRequest.objects.get(pk=pk)
    try:
        with work.keep_alive(ResetRequest, pk, attempt):
            _send(request)
    except OperationalError:
        log.warning("Reset request %s paused", pk, exc_info=True)
    except OSError as error:
        _put_off(request, attempt, error)
    except Exception as error:
        log.exception("Reset request %s failed", pk)
        _end(request, attempt, WorkStatus.FAILED, work.describe_failure(error))
    else:
        _end(request, attempt, WorkStatus.SUCCEEDED)


def _send(request: ResetRequest) -> None:
    """To the address on file: what was typed may only look the same."""
    for user in equal_but_for_case("email", request.email).filter(is_active=True).exclude(email=""):
        text = MAIL_TEXT.format(username=user.username, link=reset_link(user, request.base_url))
        try:
            send_mail(MAIL_SUBJECT, text, None, [user.email])
        except SMTPRecipientsRefused:
            log.warning("The mail server refuses the address of user %s", user.pk)
            continue
        notices.take_away(NOTICE)
        audit.record_alone("user.reset_mail", obj=user)


def _put_off(request: ResetRequest, attempt: int, error: OSError) -> None:
    reason = type(error).__name__
    log.warning("No mail for reset request %s: %s", request.pk, reason)
    notices.put(NOTICE, MAIL_AWAY.format(reason=reason))
    if request.requested_at < timezone.now() - HOUR:
        _end(request, attempt, WorkStatus.FAILED, "The mail server was away for an hour.")
    else:
        work.put_off(ResetRequest, request.pk, attempt, seconds=min(RETRY_S * attempt, LONGEST_RETRY_S))


def _end(request: ResetRequest, attempt: int, status: WorkStatus, error: str = "") -> None:
    work.finish(ResetRequest, request.pk, attempt, status=status, error=error, email="")


@tidy.register
def forget() -> None:
    ResetRequest.objects.filter(status__in=ENDED, requested_at__lt=timezone.now() - KEPT).delete()
