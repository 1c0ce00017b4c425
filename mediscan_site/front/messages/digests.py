"""A mail of what waits, for those who wish one: every morning, or on Monday mornings, by their own clock.

It says how much waits where and how many messages are unread: numbers, names of projects and links. Nothing waits: no mail."""

import logging
import zoneinfo
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused
from typing import Final

from django.conf import settings
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from images.models import Project
from images.policies import permissions
from labeling.models import Lease
from labeling.reading.selectors import queue_counts
from mediscan_site.core.messages.mailing import link, send, why
from mediscan_site.core.models import Digest, User
from mediscan_site.core.preferences import time_zones, value_of
from mediscan_site.front.messages.selectors import unread
from models_registry.worklists.selectors import counts as referred

log = logging.getLogger(__name__)
HOUR: Final = 7
PROJECTS: Final = 50
# What `queue_counts` calls scans whose readers disagree, where there are any.
SETTLED: Final = "to_adjudicate"


def mail_digests() -> None:
    """To everybody whose morning it is. A mail server that is away is tried again at the next look."""
    if not settings.SENDS_MAIL:
        return
    for user in _wanting():
        today = _today(user)
        if today is not None and not _mail(user, today):
            return


def _wanting() -> QuerySet[User]:
    wanted = Q(preferences__digest="daily") | Q(preferences__digest="weekly")
    return User.objects.filter(wanted, is_active=True).exclude(email="").order_by("pk")


def _today(user: User) -> date | None:
    """The day by which the person's digest is due; None while it is too early."""
    now = timezone.now().astimezone(zone_of(user))
    day = now.date() - timedelta(days=now.weekday() if value_of(user, "digest") == "weekly" else 0)
    return day if now >= datetime(day.year, day.month, day.day, HOUR, tzinfo=now.tzinfo) else None


def zone_of(user: User) -> zoneinfo.ZoneInfo:
    named = value_of(user, "time_zone")
    return zoneinfo.ZoneInfo(named if named in time_zones() else settings.TIME_ZONE)


def _mail(user: User, day: date) -> bool:
    """False when the mail server is away. Who has just chosen a digest gets the first one at the next morning."""
    row, made = Digest.objects.get_or_create(user=user, defaults={"last_on": day})
    mine = Digest.objects.filter(user=user, last_on=row.last_on)
    # Of two workers one takes it.
    if made or row.last_on >= day or not mine.update(last_on=day):
        return True
    try:
        _send(user)
    except SMTPRecipientsRefused:
        log.warning("The mail server refuses the address of user %s", user.pk)
    except (OSError, SMTPException) as error:
        log.warning("No digest for user %s: %s", user.pk, type(error).__name__)
        Digest.objects.filter(user=user, last_on=day).update(last_on=row.last_on)
        return False
    return True


@dataclass(frozen=True)
class Waits:
    project: Project
    to_label: int
    to_review: int
    to_adjudicate: int
    referred: int


def _send(user: User) -> None:
    waits, messages = waiting_for(user), unread(user)
    if not waits and not messages:
        return
    with translation.override(value_of(user, "language") or settings.LANGUAGE_CODE):
        send(user, _("MediScan: what waits for you"), _letter(user, waits, messages))


def waiting_for(user: User) -> list[Waits]:
    """The projects of which somebody is a member and in which something waits for them."""
    projects = list(Project.objects.filter(memberships__user=user).order_by("name")[:PROJECTS])
    queues, given_back = queue_counts(user=user, projects=projects), referred(projects)
    found = []
    for project in projects:
        may, queue = permissions(user, project), queues[project.pk]
        row = Waits(
            project,
            queue[Lease.Task.LABEL] if "label_image" in may else 0,
            queue[Lease.Task.REVIEW] if "review_label" in may else 0,
            queue.get(SETTLED, 0) if "review_label" in may else 0,
            given_back[project.pk] if "label_image" in may else 0,
        )
        if row.to_label or row.to_review or row.to_adjudicate or row.referred:
            found.append(row)
    return found


def _letter(user: User, waits: list[Waits], messages: int) -> str:
    lines = [_("Hello %(name)s,") % {"name": user.username}, ""]
    for row in waits:
        lines += [row.project.name, *_lines(row), ""]
    if messages:
        said = ngettext("%(number)d unread message.", "%(number)d unread messages.", messages)
        lines += [said % {"number": messages}, link(reverse("messages")), ""]
    return "\n".join([*lines, why()])


def _lines(row: Waits) -> list[str]:
    """One for each desk of the project at which something waits."""
    desks = (
        (row.to_label, ngettext("%(number)d scan to label", "%(number)d scans to label", row.to_label), "label_next"),
        (
            row.to_review,
            ngettext("%(number)d label to review", "%(number)d labels to review", row.to_review),
            "review",
        ),
        (
            row.to_adjudicate,
            ngettext(
                "%(number)d scan whose readers disagree", "%(number)d scans whose readers disagree", row.to_adjudicate
            ),
            "adjudication",
        ),
        (
            row.referred,
            ngettext("%(number)d scan to read yourself", "%(number)d scans to read yourself", row.referred),
            "referrals",
        ),
    )
    said = [
        (text % {"number": number}, link(reverse(page, args=[row.project.pk])))
        for number, text, page in desks
        if number
    ]
    return [f"- {text}\n  {address}".rstrip() for text, address in said]
