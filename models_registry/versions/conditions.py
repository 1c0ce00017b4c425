"""What may keep a version from answering, whatever it says about the scan: the place, and an alarm of the watching."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from images.models import Image, OnAlarm, UnacceptedSite
from models_registry.inference.refer_reasons import ReferReason
from models_registry.models import Alarm, AlarmDecision, Grade, ModelVersion
from models_registry.versions import places

WARNINGS = {
    Grade.Standing.UNTESTED: (
        "The model neither learned from the place where this scan was taken nor was it tested there: how well it reads such "
        "scans is not known."
    ),
}


@dataclass(frozen=True)
class Conditions:
    """`columns` of the grade, and the reasons to refer it all the same."""

    columns: dict[str, Any]
    reasons: list[str] = field(default_factory=list)

    def applied(self, decision: str, reasons: list[str]) -> dict[str, Any]:
        """The columns of an answer after them: its decision, and its reasons with those of the place behind."""
        if not self.reasons:
            return {"decision": decision, "reasons": reasons, **self.columns}
        return {"decision": Grade.Decision.REFER, "reasons": [*reasons, *self.reasons], **self.columns}


def of_all(model: ModelVersion, images: Sequence[Image], blind: Sequence[bool]) -> list[Conditions]:
    """For scans that this version answers now, in their order; what holds at a place is looked up once. `blind`: whether each is
    part of an acceptance test, which is to find out what the version says without them."""
    known: dict[places.Place, tuple[str, list[str]]] = {}
    found = []
    for image, is_blind in zip(images, blind, strict=True):
        place = places.place_of(model.project_id, places.where(image))
        if place not in known:
            known[place] = _at(model, place)
        standing, reasons = known[place]
        found.append(Conditions({"site": place.site, "standing": standing}, [] if is_blind else reasons))
    return found


def _at(model: ModelVersion, place: places.Place) -> tuple[str, list[str]]:
    """The standing of the version at this place, and why its scans are referred."""
    standing = places.standing(model, place)
    refers_untested = model.project.unaccepted_site == UnacceptedSite.REFER and standing == Grade.Standing.UNTESTED
    reasons: list[str] = []
    if standing == Grade.Standing.REFUSED or refers_untested:
        reasons.append(ReferReason.SITE_NOT_ACCEPTED)
    if alarm_refers(model, place.site):
        reasons.append(ReferReason.WATCH_ALARM)
    return standing, reasons


def alarm_refers(model: ModelVersion, site: str) -> bool:
    """Whether the newest alarm of this version at this place has its scans referred: open under that rule, or decided so."""
    alarm = Alarm.objects.filter(model=model, site=site).order_by("-pk").first()
    if alarm is None:
        return False
    decision = AlarmDecision.objects.filter(alarm=alarm).order_by("-pk").first()
    if decision is None:
        return alarm.rule == OnAlarm.REFER
    return decision.decision != AlarmDecision.Decision.GO_ON


def warnings(grade: Grade) -> list[str]:
    """What a doctor has to know about an answer at this place; empty for none."""
    said = WARNINGS.get(Grade.Standing(grade.standing)) if grade.standing else None
    return [said] if said else []
