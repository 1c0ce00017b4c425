"""Tells people of what the audit trail has seen. Every event is a row of the transaction of its change, and the sealed chain
numbers them without a gap: whoever remembers the last number misses none, and nobody's request or work waits for this."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from django.db import transaction
from django.db.models import Max
from django.urls import reverse

from images.models import Membership, Project
from labeling.models import Review
from mediscan_site.core.messages.services import tell
from mediscan_site.core.models import AuditEvent, AuditSeal, Bookmark, Role, User, WorkStatus
from models_registry.models import Alarm, AlarmTold, Deployment

NAME: Final = "messages"
EVENTS: Final = 2_000
ROUNDS: Final = 50


def follow() -> None:
    """All that was sealed since the last time; at the first, from now on."""
    for _round in range(ROUNDS):
        if not _next():
            return


def anything_new() -> bool:
    """Whether anything was sealed since the last time."""
    return not Bookmark.objects.filter(name=NAME, seq__gte=_newest()).exists()


def _newest() -> int:
    return AuditSeal.objects.aggregate(seq=Max("seq"))["seq"] or 0


def _next() -> bool:
    """Tell of the next events, and remember how far; both or none. False: there are no more."""
    newest = _newest()
    mark, made = Bookmark.objects.get_or_create(name=NAME, defaults={"seq": newest})
    until = min(newest, mark.seq + EVENTS)
    if made or until <= mark.seq:
        return False
    sealed = AuditSeal.objects.filter(seq__gt=mark.seq, seq__lte=until).order_by("seq")
    # By key: of a join an optimiser may read the wrong table first.
    keys = list(sealed.values_list("event", flat=True))
    told = AuditEvent.objects.filter(action__in=TOLD).in_bulk(keys)
    with transaction.atomic():
        # Of two who read at once, one tells.
        if Bookmark.objects.filter(name=NAME, seq=mark.seq).update(seq=until):
            for event in (told[key] for key in keys if key in told):
                TOLD[event.action](event)
    return True


def _deployed(event: AuditEvent) -> None:
    found = Deployment.objects.filter(pk=event.object_id).select_related("project", "model", "deployed_by").first()
    if found is None:
        return
    people = _members(found.project).exclude(pk=found.deployed_by_id)
    facts = {"code": found.model.code, "project": found.project.name, "by": found.deployed_by.username}
    url = reverse("model", args=[found.model_id])
    _tell(people, "version_deployed", f"deployed:{found.pk}", url, facts, found.project_id)


def _alarm(event: AuditEvent) -> None:
    found = Alarm.objects.filter(pk=event.object_id).select_related("project", "model").first()
    if found is None:
        return
    people = User.objects.filter(pk__in=AlarmTold.objects.filter(alarm=found).values("user"))
    facts = {"code": found.model.code, "project": found.project.name}
    url = reverse("watching", args=[found.model_id])
    _tell(people, "alarm_raised", f"alarm:{found.pk}", url, facts, found.project_id)


def _reviewed(event: AuditEvent) -> None:
    """A rejected label, to whoever gave it."""
    if event.details.get("status") != Review.Status.REJECTED:
        return
    review = Review.objects.filter(pk=event.details.get("review")).select_related("label", "image__project", "reviewer")
    found = review.filter(image__erased_at__isnull=True).first()
    if found is None or found.label.reader_id in (None, found.reviewer_id):
        return
    people = User.objects.filter(pk=found.label.reader_id)
    project = found.image.project
    facts = {"code": found.image.code, "project": project.name, "by": found.reviewer.username}
    _tell(people, "label_rejected", f"rejected:{found.pk}", reverse("scan", args=[found.image_id]), facts, project.pk)


def _backup(event: AuditEvent) -> None:
    # One that somebody cancelled is no failure; an older version recorded it as one, with this status.
    if event.details.get("status", WorkStatus.FAILED) == WorkStatus.FAILED:
        _tell(_admins(), "backup_failed", f"backup:{event.object_id}", reverse("dashboard"), {}, None)


def _drill(event: AuditEvent) -> None:
    if event.details.get("status") == WorkStatus.FAILED:
        _tell(_admins(), "drill_failed", f"drill:{event.object_id}", reverse("dashboard"), {}, None)


TOLD: Final[dict[str, Callable[[AuditEvent], None]]] = {
    "model.deploy": _deployed,
    "model.rollback": _deployed,
    "alarm.raise": _alarm,
    "review.create": _reviewed,
    "backup.fail": _backup,
    "backup.drill": _drill,
}


def _tell(people: Iterable[User], kind: str, key: str, url: str, facts: dict[str, Any], project: int | None) -> None:
    tell(people, kind, key=key, url=url, facts=facts, project=project)


def _members(project: Project) -> Any:
    return User.objects.filter(pk__in=Membership.objects.filter(project=project).values("user"), is_active=True)


def _admins() -> Any:
    return User.objects.filter(role=Role.ADMIN, is_active=True)
