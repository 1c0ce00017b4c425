"""The part of a card about where a version is used: places where it was tested, its stop rule, alarms, who was told and what was
decided. Places by code: a card is read where the name of an institution may not be known."""

from typing import Any, Final

from models_registry.models import AcceptanceDecision, Alarm, ModelVersion
from models_registry.statistics.martingale import ALARM

SHOWN: Final = 20
RULES: Final = {
    "tell": "administrators are told, and the version goes on answering",
    "refer": "administrators are told, and every scan of the place is referred until somebody has decided",
}
UNTESTED: Final = {
    "warn": "answered with a warning",
    "refer": "referred to a doctor",
}


def card(model: ModelVersion) -> dict[str, Any]:
    """`places` and `watching`, as JSON."""
    project = model.project
    return {
        "places": {"untested": project.unaccepted_site, "decisions": [_decision(row) for row in _decisions(model)]},
        "watching": {
            "stop_rule": {"limit": ALARM, "on_alarm": project.on_alarm, "blind_read_share": project.blind_read_share},
            "alarms": [_alarm(row) for row in _alarms(model)],
        },
    }


def _decisions(model: ModelVersion) -> list[AcceptanceDecision]:
    rows = [row for test in model.acceptance_tests.all() for row in test.decisions.all()]
    return sorted(rows, key=lambda row: -row.pk)[:SHOWN]


def _decision(row: AcceptanceDecision) -> dict[str, Any]:
    return {
        "site": row.test.site,
        "device": row.test.device or None,
        "n": (row.figures.get("here") or {}).get("n"),
        "decision": row.decision,
        "reason": row.reason,
        "by": row.decided_by.username,
        "at": row.created_at.isoformat(),
    }


def _alarms(model: ModelVersion) -> list[Alarm]:
    return sorted(model.alarms.all(), key=lambda row: -row.pk)[:SHOWN]


def _alarm(row: Alarm) -> dict[str, Any]:
    return {
        "site": row.site,
        "raised_at": row.raised_at.isoformat(),
        "after_grades": row.seen,
        "rule": row.rule,
        "told": [told.user.username for told in row.told.all()],
        "decisions": [
            {"decision": one.decision, "reason": one.reason, "by": one.decided_by.username}
            for one in sorted(row.decisions.all(), key=lambda decision: decision.pk)
        ],
    }


def lines(model: ModelVersion) -> list[str]:
    """The same to read, in Markdown."""
    project = model.project
    found = [
        "## Where it is used",
        f"Scans of a place that it neither learned from nor was accepted for are {UNTESTED[project.unaccepted_site]}.",
        "",
        *(_decision_line(row) for row in _decisions(model)),
        "",
        "## Watching",
        f"Stop rule: when the online test of a place reaches a capital of {ALARM:,.0f} (at most one false alarm in "
        f"{ALARM:,.0f} streams), {RULES[project.on_alarm]}. {_reads(project.blind_read_share)}",
        "",
    ]
    return [*found, *(_alarm_line(row) for row in _alarms(model))]


def _reads(share: float) -> str:
    if not share:
        return "No answers are drawn for blind reads: its live accuracy is not measured."
    return f"{share:.1%} of its answers are drawn for blind reads."


def _decision_line(row: AcceptanceDecision) -> str:
    told = _decision(row)
    where = " ".join(code for code in (told["site"], told["device"]) if code)
    return f"- {where}, {told['n'] or 0} scans: {row.get_decision_display()}. {row.reason} ({told['by']})"


def _alarm_line(row: Alarm) -> str:
    told = _alarm(row)
    decided = "; ".join(
        f"{one['decision'].replace('_', ' ')}: {one['reason']} ({one['by']})" for one in told["decisions"]
    )
    people = ", ".join(told["told"]) or "nobody"
    what = (
        f"of its live accuracy after {row.seen} blind reads"
        if row.site == ""
        else f"at {row.site} after {row.seen} grades"
    )
    return f"- Alarm {what}; told: {people}. {decided or 'Not decided yet.'}"
