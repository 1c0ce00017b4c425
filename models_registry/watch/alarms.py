"""Alarms: raised when a stream reaches its limit, told to whoever may deploy, open until one of them has decided."""

import logging
import math
from collections.abc import Mapping
from smtplib import SMTPException
from typing import Final

from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from images.models import OnAlarm
from images.policies import can, require
from mediscan_site.core import audit, notices, text
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import User
from models_registry.models import Alarm, AlarmDecision, AlarmTold, Grade, ModelVersion, WatchStream
from models_registry.statistics.martingale import ALARM
from models_registry.versions import places
from models_registry.versions.conditions import EVERYWHERE
from models_registry.watch.streams import LIMIT, Standing

NOTICE: Final = "watch:alarms"
SUBJECT: Final = "MediScan: the watching of a model has raised an alarm"
TEXT: Final = """The watching of {model} in the project {project} has raised an alarm.

{what} {rule}

Sign in, open Models, then Watching, look at the alarm and decide.
"""
LOOKS: Final = (
    "After {seen} grades of a place ({place}), its scans no longer look like those that the model was validated on."
)
ANSWERS: Final = (
    "After {seen} blind reads, doctors agree with its answers less often than the test split promised, wherever the scans "
    "come from."
)
REFERS: Final = "Until somebody has decided, every scan that this is about is referred to a doctor."
TELLS: Final = "The model goes on answering until somebody has decided."

log = logging.getLogger(__name__)


def raise_if_due(row: WatchStream, standing: Standing) -> Alarm | None:
    """The alarm of a stream that has reached its limit, unless one stands: open, or decided otherwise than to go on."""
    if row.highest < LIMIT:
        return None
    # A worker that was killed before it could raise the alarm left the stream beyond its limit.
    at = standing.alarm_at or standing.last
    return put(
        row.model,
        site=row.site,
        score=row.score,
        log_capital=row.highest,
        seen=standing.seen_at_alarm or standing.seen,
        grade=Grade.objects.filter(pk=at.grade).first() if at else None,
    )


def put(
    model: ModelVersion, *, site: str, score: str, log_capital: float, seen: int, grade: Grade | None = None
) -> Alarm | None:
    """Raise an alarm and tell whoever may decide; None where one of that site stands."""
    if _stands(model, site):
        return None
    project = model.project
    alarm = Alarm(
        project=project,
        model=model,
        site=site,
        score=score,
        rule=project.on_alarm,
        limit=ALARM,
        log_capital=log_capital,
        seen=seen,
        grade=grade,
    )
    try:
        with transaction.atomic():
            alarm.save(force_insert=True)
            AlarmTold.objects.bulk_create(AlarmTold(alarm=alarm, user=user) for user in to_be_told(alarm))
            details = {"model": alarm.model_id, "site": alarm.site, "rule": alarm.rule, "grades": alarm.seen}
            audit.record("alarm.raise", actor=None, obj=alarm, project=alarm.project_id, details=details)
            tell()
    except IntegrityError:
        return None
    return alarm


def _stands(model: ModelVersion, site: str) -> bool:
    newest = Alarm.objects.filter(model=model, site=site).order_by("-pk").first()
    if newest is None:
        return False
    decision = newest.decisions.order_by("-pk").first()
    return decision is None or decision.decision != AlarmDecision.Decision.GO_ON


def to_be_told(alarm: Alarm) -> list[User]:
    """Who may decide: administrators, and members with the right to deploy."""
    people = User.objects.filter(is_active=True).order_by("pk")
    return [user for user in people if can(user, "deploy_model", alarm.project)]


def open_alarms() -> QuerySet[Alarm]:
    return Alarm.objects.filter(active=True).select_related("project", "model").order_by("pk")


def tell() -> None:
    """Renew the notice, or take it away when no alarm is open."""
    rows = list(open_alarms())
    if not rows:
        notices.take_away(NOTICE)
        return
    named = ", ".join(f"{row.model.code} of {row.project.name}" for row in rows)
    notices.put(
        NOTICE,
        f"The watching has raised an alarm: {named}. Open the project's models, then Watching, look at the alarm and decide.",
    )


def mail_what_waits() -> None:
    """Mail whoever was told of an open alarm and has not got a mail yet; tried again while the mail server is away."""
    if not settings.SENDS_MAIL:
        return
    waiting = AlarmTold.objects.filter(mailed_at=None, alarm__active=True).exclude(user__email="")
    for told in waiting.select_related("alarm__model", "alarm__project", "user"):
        try:
            send_mail(SUBJECT, _mail(told.alarm), None, [told.user.email])
        except (OSError, SMTPException) as error:
            log.warning("No mail about alarm %s: %s", told.alarm_id, type(error).__name__)
            return
        AlarmTold.objects.filter(pk=told.pk, mailed_at=None).update(mailed_at=timezone.now())


def _mail(alarm: Alarm) -> str:
    """By code: a mail is read where the name of an institution may not be known."""
    rule = REFERS if alarm.rule == OnAlarm.REFER else TELLS
    what = (ANSWERS if alarm.site == EVERYWHERE else LOOKS).format(seen=alarm.seen, place=alarm.site)
    return TEXT.format(model=alarm.model.code, project=alarm.project.name, what=what, rule=rule)


def decide(*, actor: User, alarm: Alarm, decision: str, reason: str) -> AlarmDecision:
    """Record what follows from an alarm. `go_on`: the version answers and its stream begins anew. Decided again, the later
    decision counts."""
    require(actor, "deploy_model", alarm.project)
    chosen = text.choice(decision, attr="decision", choices=AlarmDecision.Decision.values)
    if chosen is None:
        raise Invalid("Say what is decided.", attr="decision", code="required")
    why = text.paragraphs(reason, attr="reason")
    if not why:
        raise Invalid("Say why.", attr="reason", code="required")
    newest = Alarm.objects.filter(model=alarm.model_id, site=alarm.site).order_by("-pk").first()
    if newest is not None and newest.pk != alarm.pk:
        raise Conflict("There is a newer alarm of this place. Decide that one.", code="alarm_superseded")
    row = AlarmDecision(alarm=alarm, decision=chosen, reason=why, decided_by=actor)
    with transaction.atomic():
        row.save(force_insert=True)
        Alarm.objects.filter(pk=alarm.pk).update(active=None)
        details = {"model": alarm.model_id, "site": alarm.site, "decision": chosen}
        audit.record("alarm.decide", actor=actor, obj=alarm, project=alarm.project_id, details=details)
        tell()
    return row


def capital(alarm: Alarm) -> float:
    """What the test's capital had grown to."""
    return math.exp(min(alarm.log_capital, 700.0))


def place_name(alarm: Alarm) -> str:
    return site_name(alarm.site, places.names(alarm.project_id))


def site_name(site: str, known: Mapping[str, str]) -> str:
    return "all places" if site == EVERYWHERE else places.named(site, known)
