"""What a person is told of a version first: is it good, for what, what was not measured, and what comes next. Sentences, in the
reader's language; every number in them stands in the report too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from images.models import Split
from images.scan_facts import METADATA
from labeling.models import Grouping, SnapshotMember
from mediscan_site.core.remembering import Memory
from models_registry.deployments.gate import Verdict, one_answer
from models_registry.models import Evaluation, ModelVersion
from models_registry.selectors import DEPLOYED, RETIRED
from models_registry.versions.report import INSTITUTIONS, figure

Metrics = Mapping[str, Any]
_counted = Memory()
BY: Final = {fact.name: fact.label for fact in METADATA}


@dataclass(frozen=True)
class Headline:
    """`tone`: of the version, never of a finding. `next`: what to do now; `leads`: the page or the place of this page to do it."""

    title: str
    tone: str = "plain"
    lines: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    next: str = ""
    leads: str = ""


def of(model: ModelVersion, report: Evaluation | None, verdict: Verdict) -> Headline:
    if report is None:
        return Headline(
            _("Not measured yet: nobody knows how good it is."), "care", next=_("Evaluate it."), leads="evaluate"
        )
    title, tone = _title(report.metrics, verdict)
    step, leads = _next(model, verdict)
    sure = _sure(report.metrics) if _is_calibrated(model) else []
    lines = [*_right(report.metrics), *sure, _basis(report)]
    return Headline(title, tone, lines, _gaps(model, report), step, leads)


def _title(metrics: Metrics, verdict: Verdict) -> tuple[str, str]:
    always = one_answer(metrics)
    if always is not None:
        name = {"name": _class(metrics, always)}
        return _("It always says %(name)s: it has not learnt to tell the classes apart.") % name, "bad"
    high, chance = verdict.figures.get("high"), verdict.figures.get("chance")
    if high is not None and chance is not None and high <= chance:
        return _("No better than guessing."), "bad"
    if not verdict.passed:
        return _("Not good enough: the gate refuses it."), "bad"
    if high is None:
        return _("Too few test scans to say whether it is better than guessing."), "care"
    right = figure(metrics, "accuracy")
    if right is None:
        return _("Better than guessing."), "plain"
    return _("Right on about %(share)s scans of its test.") % {"share": of_ten(right)}, "plain"


def _class(metrics: Metrics, place: int) -> str:
    """A report may lack what newer ones have."""
    names = metrics.get("classes") or []
    return str(names[place]) if place < len(names) else _("class %(number)s") % {"number": place + 1}


def of_ten(share: float) -> str:
    """0.87 -> "9 of 10"; 0.97 -> "97 of 100". Never all or nothing where it is not."""
    if 0 < share < 1 and round(share * 10) in (0, 10):
        return _("%(part)s of %(whole)s") % {"part": min(max(round(share * 100), 1), 99), "whole": 100}
    return _("%(part)s of %(whole)s") % {"part": round(share * 10), "whole": 10}


def _right(metrics: Metrics) -> list[str]:
    counts = metrics.get("confusion_matrix") or []
    n = sum(map(sum, counts))
    if not n:
        return []
    hits = sum(row[place] for place, row in enumerate(counts))
    numbers = {"hits": hits, "n": n, "share": _share(metrics, "accuracy")}
    lines = [_("It was right on %(hits)s of %(n)s scans%(share)s.") % numbers]
    return lines + (_two(metrics, counts) if len(counts) == 2 else _ends(metrics, counts))


def _two(metrics: Metrics, counts: list[list[int]]) -> list[str]:
    """Of two classes the second is the finding."""
    name = _class(metrics, 1)
    (left, alarms), (missed, found) = counts
    have = {"name": name, "n": found + missed, "found": found, "missed": missed}
    rest = {"name": name, "n": left + alarms, "alarms": alarms}
    return [
        _("Of %(n)s scans with %(name)s it finds %(found)s and misses %(missed)s%(share)s.")
        % {**have, "share": _share(metrics, "sensitivity")},
        ngettext(
            "Of %(n)s scans without %(name)s it raises %(alarms)s false alarm%(share)s.",
            "Of %(n)s scans without %(name)s it raises %(alarms)s false alarms%(share)s.",
            alarms,
        )
        % {**rest, "share": _share(metrics, "specificity")},
    ]


def _ends(metrics: Metrics, counts: list[list[int]]) -> list[str]:
    """Of more classes: where it is best and where it is weakest."""
    known = [
        (row[place] / sum(row), {"name": _class(metrics, place), "found": row[place], "n": sum(row)})
        for place, row in enumerate(counts)
        if sum(row)
    ]
    best, worst = max(known, key=lambda one: one[0])[1], min(known, key=lambda one: one[0])[1]
    return [
        _("It is best at %(name)s: it finds %(found)s of %(n)s.") % best,
        _("It is weakest at %(name)s: it finds %(found)s of %(n)s.") % worst,
    ]


def _share(metrics: Metrics, name: str) -> str:
    """ " (87 %, 95 % interval 80 % to 92 %)", or nothing where too few cases carry the figure."""
    value, low, high = (figure(metrics, name, bound) for bound in ("value", "low", "high"))
    if value is None:
        return ""
    if low is None or high is None:
        return f" ({percent(value)})"
    ends = {"value": percent(value), "low": percent(low), "high": percent(high)}
    return " " + _("(%(value)s, 95 %% interval %(low)s to %(high)s)") % ends


def percent(share: float) -> str:
    """What is not quite all or nothing is never rounded to it."""
    whole = round(share * 100)
    return f"{min(max(whole, 1), 99) if 0 < share < 1 else whole} %"


def _is_calibrated(model: ModelVersion) -> bool:
    """Else it answers nothing, however certain it is."""
    return model.calibration.get("temperature") is not None


def _sure(metrics: Metrics) -> list[str]:
    certain, right = figure(metrics, "coverage"), figure(metrics, "answered_accuracy")
    if certain is None:
        return []
    if right is None:
        return [_("It is certain about %(share)s scans and gives the others back to you.") % {"share": of_ten(certain)}]
    told = _("It is certain about %(certain)s scans, and right on %(right)s of those. The others it gives back to you.")
    return [told % {"certain": of_ten(certain), "right": percent(right)}]


def _basis(report: Evaluation) -> str:
    metrics = report.metrics
    numbers = {"n": metrics.get("n"), "groups": metrics.get("n_groups"), "dataset": report.snapshot.code}
    if not metrics.get("n"):
        return _("Its evaluation on %(dataset)s says no figures. Evaluate it again.") % numbers
    if report.snapshot.grouping == Grouping.PATIENT and metrics.get("n_groups"):
        return _("Measured on %(n)s scans of %(groups)s patients of %(dataset)s that it had never seen.") % numbers
    return _("Measured on %(n)s scans of %(dataset)s that it had never seen.") % numbers


def _gaps(model: ModelVersion, report: Evaluation) -> list[str]:
    """What this test cannot say."""
    said = [_hospitals(report)]
    if report.snapshot.grouping != Grouping.PATIENT:
        said.append(_("Nobody knows which scans are of one patient: the figures may be too good."))
    unknown = [str(BY.get(name, name)).lower() for name in report.metrics.get("undivided") or []]
    if unknown:
        said.append(_("Not checked for differences by %(names)s.") % {"names": ", ".join(unknown)})
    if not _is_calibrated(model):
        said.append(_("Its confidence could not be checked: it gives every scan back to you."))
    if (report.test_reads or 0) > 1:
        said.append(
            _("This test was used %(times)s times: the more often, the less it proves.") % {"times": report.test_reads}
        )
    return [line for line in said if line]


def _hospitals(report: Evaluation) -> str:
    """Of how many institutions the test scans are: what is true of one need not be true of another."""
    count = report.metrics.get(INSTITUTIONS)
    if count is None:
        # Of a report that was made before they were counted in it.
        key = report.pk, report.finished_at
        count = _counted.of(key, lambda: _institutions(report))
    if not count:
        return _("The hospital of the test scans is not known. At another one it may be worse.")
    if count == 1:
        return _("All test scans are of one hospital. At another one it may be worse.")
    return _("The test scans are of %(count)s hospitals; at others it may be worse.") % {"count": count}


def _institutions(report: Evaluation) -> int:
    test = SnapshotMember.objects.filter(snapshot=report.snapshot_id, split=Split.TEST)
    names = test.order_by().values_list("image__metadata__institution", flat=True).distinct()
    return len(set(names) - {"", None})


def _next(model: ModelVersion, verdict: Verdict) -> tuple[str, str]:
    stage = getattr(model, "stage", "")
    if stage == DEPLOYED:
        return _("It answers now. Watch it, and test it at each place where it shall be used."), "watching"
    if not verdict.passed:
        return _("Look at its mistakes, then train again: with more scans, or with labels that are right."), "errors"
    if stage == RETIRED:
        return _(
            "It has answered before, and another version answers now. Look at its mistakes, or compare the two."
        ), "errors"
    return _("Look at its mistakes. If you can live with them, deploy it."), "errors"
