"""What may keep a version from answering, whatever it says about the scan: the place, and an alarm of the watching."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from django.db.models import OuterRef, Subquery

from images.models import Image, OnAlarm, UnacceptedSite
from models_registry.inference.refer_reasons import ReferReason
from models_registry.models import Alarm, AlarmDecision, Grade, ModelVersion
from models_registry.versions import places

# The site of an alarm that is about all of a version's answers.
EVERYWHERE = ""

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
    where = [places.place_of(model.project_id, places.where(image)) for image in images]
    alarmed = sites_referred(model, {EVERYWHERE, *(place.site for place in where)})
    known = {place: _at(model, place, alarmed) for place in dict.fromkeys(where)}
    found = []
    for place, is_blind in zip(where, blind, strict=True):
        standing, reasons = known[place]
        found.append(Conditions({"site": place.site, "standing": standing}, [] if is_blind else reasons))
    return found


def _at(model: ModelVersion, place: places.Place, alarmed: Set[str]) -> tuple[str, list[str]]:
    """The standing of the version at this place, and why its scans are referred. `alarmed`: sites that an alarm has referred."""
    standing = places.standing(model, place)
    refers_untested = model.project.unaccepted_site == UnacceptedSite.REFER and standing == Grade.Standing.UNTESTED
    reasons: list[str] = []
    if standing == Grade.Standing.REFUSED or refers_untested:
        reasons.append(ReferReason.SITE_NOT_ACCEPTED)
    if place.site in alarmed:
        reasons.append(ReferReason.WATCH_ALARM)
    if EVERYWHERE in alarmed:
        reasons.append(ReferReason.ACCURACY_ALARM)
    return standing, reasons


def sites_referred(model: ModelVersion, sites: Set[str]) -> set[str]:
    """Those of the sites whose newest alarm of this version has their scans referred: open under that rule, or decided so. One
    query, however many sites."""
    newest = AlarmDecision.objects.filter(alarm=OuterRef("pk")).order_by("-pk").values("decision")[:1]
    alarms = Alarm.objects.filter(model=model, site__in=sites).annotate(decided=Subquery(newest)).order_by("pk")
    # Of a site the last one counts, which is its newest.
    rows = {site: (rule, decided) for site, rule, decided in alarms.values_list("site", "rule", "decided")}
    return {site for site, (rule, decided) in rows.items() if _refers(rule, decided)}


def _refers(rule: str, decided: str | None) -> bool:
    return rule == OnAlarm.REFER if decided is None else decided != AlarmDecision.Decision.GO_ON


def warnings(grade: Grade) -> list[str]:
    """What a doctor has to know about an answer at this place; empty for none."""
    said = WARNINGS.get(Grade.Standing(grade.standing)) if grade.standing else None
    return [said] if said else []
