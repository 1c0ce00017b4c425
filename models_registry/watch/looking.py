"""What a look at a version finds: at each place the class mix, confidence, referrals, distance and spread against the reference,
where the online test stands, what it was day by day, and what blind reads say."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from statistics import median
from typing import Any, Final

from django.utils import timezone

from mediscan_site.core.models import WorkStatus
from models_registry.models import Grade, ModelVersion, WatchStream
from models_registry.versions.class_changes import since_training
from models_registry.versions.reference import Reference
from models_registry.watch import accuracy, live, streams

DAYS: Final = 90
COLUMNS: Final = (
    "prediction",
    "confidence",
    "distance",
    "spread",
    "decision",
    "finished_at",
    "image__patient",
    "image",
)
MEASURES: Final = ("confidence", "distance", "spread")


def sites(model: ModelVersion) -> list[str]:
    """The places of the version's grades."""
    rows = Grade.objects.filter(model=model, status=WorkStatus.SUCCEEDED).exclude(site="")
    return sorted(set(rows.order_by().values_list("site", flat=True).distinct()))


def result(model: ModelVersion) -> dict[str, Any]:
    """As JSON, for `Watch.result`."""
    reference = Reference.of(model.reference)
    classes = dict(
        zip((entry["id"] for entry in model.classes), since_training(model, model.project).names, strict=True)
    )
    return {
        "why_not": streams.why_not(model),
        "reference": _of_reference(reference, classes) if reference else None,
        "sites": [_of_site(model, site, reference, classes) for site in sites(model)],
        "labels": {**live.figures(model), "test": accuracy.figures(model)},
    }


def _of_reference(reference: Reference, classes: dict[int, str]) -> dict[str, Any]:
    n = len(reference.confidence)
    alone = [f"#{place}" for place in range(n)]
    return {
        "n": n,
        "classes": _mix(reference.prediction, alone, classes),
        "referred": _share(reference.referred, alone),
        **{name: _spread_of(getattr(reference, name)) for name in MEASURES},
    }


def _of_site(model: ModelVersion, site: str, reference: Reference | None, classes: dict[int, str]) -> dict[str, Any]:
    rows = list(
        Grade.objects.filter(model=model, site=site, status=WorkStatus.SUCCEEDED, blind=False, seen_in__isnull=True)
        .order_by("finished_at", "pk")
        .values_list(*COLUMNS)
    )
    groups = [patient or f"#{image}" for *_, patient, image in rows]
    values = {name: [row[COLUMNS.index(name)] for row in rows] for name in COLUMNS}
    referred = [decision == Grade.Decision.REFER for decision in values["decision"]]
    known = {name: [value for value in values[name] if value is not None] for name in MEASURES}
    return {
        "site": site,
        "n": len(rows),
        "classes": _mix(values["prediction"], groups, classes),
        "referred": _share(referred, groups),
        **{name: _spread_of(known[name], getattr(reference, name) if reference else ()) for name in MEASURES},
        "stream": _of_stream(model, site),
        "days": _by_day(rows),
    }


def _share(flags: Sequence[bool], groups: Sequence[str]) -> dict[str, Any]:
    from models_registry.statistics.shares import share

    return share(flags, groups)


def _mix(predicted: Sequence[int], groups: Sequence[str], classes: dict[int, str]) -> dict[str, Any]:
    """The share of each class among the predictions."""
    return {name: _share([one == pk for one in predicted], groups) for pk, name in classes.items()}


def _spread_of(values: Sequence[float], reference: Sequence[float] = ()) -> dict[str, Any] | None:
    """Mean, median and 95th percentile; `above`: how probable it is that a grade here has a larger value than one of the
    reference (one half: as there). None where nothing was measured."""
    import numpy as np

    if not values:
        return None
    found = np.asarray(values, dtype=np.float64)
    above = None
    if reference:
        ordered = np.sort(np.asarray(reference, dtype=np.float64))
        below, at_most = np.searchsorted(ordered, found, "left"), np.searchsorted(ordered, found, "right")
        above = float((below + at_most).mean() / 2 / len(ordered))
    quantiles = np.quantile(found, [0.5, 0.95])
    return {
        "n": len(found),
        "mean": float(found.mean()),
        "median": float(quantiles[0]),
        "p95": float(quantiles[1]),
        "above": above,
    }


def _of_stream(model: ModelVersion, site: str) -> dict[str, Any] | None:
    row = WatchStream.objects.filter(model=model, site=site).first()
    if row is None:
        return None
    return {"score": row.score, "seen": row.seen, "log_capital": row.log_capital, "highest": row.highest}


def _by_day(rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """The last DAYS days on which something was graded."""
    first = timezone.localdate() - timedelta(days=DAYS)
    days: dict[date, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        day = timezone.localdate(row[COLUMNS.index("finished_at")])
        if day >= first:
            days[day].append(row)
    return [{"day": day.isoformat(), **_of_day(found)} for day, found in sorted(days.items())]


def _of_day(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    decisions = Counter(row[COLUMNS.index("decision")] for row in rows)
    middle = {}
    for name in MEASURES:
        known = [row[COLUMNS.index(name)] for row in rows if row[COLUMNS.index(name)] is not None]
        # One foreign scan lies further away than a thousand others together.
        middle[name] = median(known) if known else None
    return {"n": len(rows), "referred": decisions[Grade.Decision.REFER] / len(rows), **middle}
