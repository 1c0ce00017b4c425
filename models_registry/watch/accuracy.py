"""The online test of a version's live accuracy: whether doctors who have not seen its answers agree with them less often than
the test split promised. Of blind reads the first of each patient, as they were read, wherever the scans came from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from models_registry.grades import measuring
from models_registry.models import Alarm, AlarmDecision, BlindRead, ModelVersion
from models_registry.statistics.betting import Fall, always, fall
from models_registry.versions.conditions import EVERYWHERE
from models_registry.watch import alarms

# `Alarm.score` of such an alarm.
SCORE = "accuracy"


def figures(model: ModelVersion) -> dict[str, Any]:
    """As JSON: where the bet stands, with `interval`, which is true at every number of reads; or `why_not`."""
    promised, reads = promise(model), counted(model)
    interval = always([right for _, right in reads])
    if promised is None:
        reason = (
            "The test split has too few answered scans for an interval, so nothing was promised that could be broken."
        )
        return {"why_not": reason, "n": len(reads), "interval": interval}
    return {"why_not": "", **asdict(_bet(model, reads, promised)), "interval": interval}


def promise(model: ModelVersion) -> float | None:
    """The least that the test split lets one expect: the lower end of the interval of "right among the answered"."""
    test: Mapping[str, Any] = measuring.of_the_test_split(model) or {}
    share = test.get("answered_accuracy") or {}
    return share.get("low")


def counted(model: ModelVersion) -> list[tuple[datetime, bool]]:
    """When each read that counts was given, and whether the answer was right."""
    rows = BlindRead.objects.filter(grade__model=model, read_class__in=[entry["id"] for entry in model.classes])
    columns = ("read_at", "read_class", "grade__prediction", "grade__image__patient", "grade__image")
    known: set[str] = set()
    found = []
    for at, said, predicted, patient, image in rows.order_by("read_at", "pk").values_list(*columns):
        group = patient or f"#{image}"
        if group not in known:
            known.add(group)
            found.append((at, said == predicted))
    return found


def _bet(model: ModelVersion, reads: Sequence[tuple[datetime, bool]], promised: float) -> Fall:
    """Since somebody let the version go on after such an alarm, if somebody did."""
    since = _let_go_on(model)
    return fall([right for at, right in reads if since is None or at > since], promised)


def _let_go_on(model: ModelVersion) -> datetime | None:
    rows = AlarmDecision.objects.filter(alarm__model=model, alarm__score=SCORE, decision=AlarmDecision.Decision.GO_ON)
    return rows.order_by("-created_at").values_list("created_at", flat=True).first()


def advance(model: ModelVersion) -> Alarm | None:
    """Look at the reads so far, and raise the alarm that is due, unless one stands."""
    promised = promise(model)
    if promised is None:
        return None
    bet = _bet(model, counted(model), promised)
    if bet.alarm_at is None:
        return None
    return alarms.put(model, site=EVERYWHERE, score=SCORE, log_capital=bet.highest, seen=bet.alarm_at)
