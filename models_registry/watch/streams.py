"""The online test of each version at each place (`statistics.martingale`), fed with its grades in the order of their answers.

Its row only remembers where it stands: `replay` computes the same from the grades. Counted are the first grades of patients (of
scans where no patient is known) that the version has not seen before: others are not exchangeable with the reference."""

import hashlib
import math
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from mediscan_site.core.models import WorkStatus
from models_registry.models import AlarmDecision, Grade, ModelVersion, WatchStream
from models_registry.statistics.martingale import ALARM, MIN_REFERENCE, Bets, p_value
from models_registry.versions.reference import Reference

DISTANCE, SPREAD, DOUBT = "distance", "spread", "doubt"
# What is ranked, the first that the version has; and in words.
SCORES: Final = {
    DISTANCE: "how far a scan lies from what it learned",
    SPREAD: "how far its networks disagree",
    DOUBT: "how unsure it is (1 - confidence); it notices little, as a foreign scan often makes a model sure",
}
LIMIT: Final = math.log(ALARM)


@dataclass(frozen=True)
class Yardstick:
    """The reference's scores of one kind."""

    score: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Counted:
    """A grade that counts, and its score."""

    grade: int
    finished_at: datetime
    score: float


@dataclass
class Standing:
    """Where a stream stands: its bets, all scores so far in order of size, and where it first reached the limit, if it did."""

    bets: Bets
    pool: list[float]
    highest: float = 0.0
    alarm_at: Counted | None = None
    alarm_log: float = 0.0
    seen: int = 0
    logs: list[float] = field(default_factory=list)

    def take(self, one: Counted, chance: float) -> None:
        log = self.bets.step(p_value(self.pool, one.score, chance))
        insort(self.pool, one.score)
        self.seen += 1
        self.logs.append(log)
        if self.alarm_at is None and log >= LIMIT:
            self.alarm_at, self.alarm_log = one, log
        self.highest = max(self.highest, log)

    def begin_anew(self) -> None:
        """Somebody has looked and lets the version go on: what came in so far belongs to what is normal."""
        self.bets, self.highest, self.alarm_at = Bets.new(len(self.pool)), 0.0, None


def yardstick(model: ModelVersion) -> Yardstick | None:
    """What the version's grades are ranked against; None without a reference of MIN_REFERENCE scans."""
    reference = Reference.of(model.reference)
    if reference is None or len(reference.confidence) < MIN_REFERENCE:
        return None
    kinds = {
        DISTANCE: reference.distance,
        SPREAD: reference.spread,
        DOUBT: tuple(1 - x for x in reference.confidence),
    }
    return next(Yardstick(name, values) for name, values in kinds.items() if len(values) >= MIN_REFERENCE)


def why_not(model: ModelVersion) -> str:
    """Why a version cannot be watched without labels; empty if it can."""
    if yardstick(model) is not None:
        return ""
    return (
        f"{model.code} kept no figures of {MIN_REFERENCE} or more validation scans when it was made, so there is nothing to "
        "compare its grades with. Train a new version."
    )


def chance(model: ModelVersion, grade: int) -> float:
    """How a tie of this grade is broken: always the same way."""
    drawn = hashlib.sha256(f"{model.bundle_sha256}:{grade}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") / 2**64


def counted(model: ModelVersion, site: str, kind: str) -> Iterator[Counted]:
    """The grades that count, in the order in which they were answered."""
    column = "confidence" if kind == DOUBT else kind
    rows = Grade.objects.filter(
        model=model, site=site, status=WorkStatus.SUCCEEDED, blind=False, seen_in__isnull=True
    ).exclude(**{column: None})
    known: set[str] = set()
    columns = ("pk", "finished_at", "image", "image__patient", column)
    for pk, at, image, patient, value in rows.order_by("finished_at", "pk").values_list(*columns).iterator():
        group = patient or f"#{image}"
        if group not in known:
            known.add(group)
            yield Counted(pk, at, 1 - value if kind == DOUBT else value)


def restarts(model: ModelVersion, site: str) -> list[datetime]:
    """When somebody let the version go on after an alarm."""
    rows = AlarmDecision.objects.filter(alarm__model=model, alarm__site=site, decision=AlarmDecision.Decision.GO_ON)
    return list(rows.order_by("created_at").values_list("created_at", flat=True))


def replay(model: ModelVersion, site: str, stick: Yardstick) -> tuple[Standing, Counted | None]:
    """The whole stream from its grades, and the last one that counts."""
    standing = Standing(Bets.new(len(stick.values)), sorted(stick.values))
    ahead, last = restarts(model, site), None
    for one in counted(model, site, stick.score):
        while ahead and one.finished_at > ahead[0]:
            standing.begin_anew()
            ahead = ahead[1:]
        standing.take(one, chance(model, one.grade))
        last = one
    for _ in ahead:
        standing.begin_anew()
    return standing, last


def advance(model: ModelVersion, site: str) -> tuple[WatchStream, Standing] | None:
    """Count in what has been answered since, and keep where the stream stands. None when the version cannot be watched, or
    another worker was quicker."""
    stick = yardstick(model)
    if stick is None:
        return None
    row, _ = _row(model, site, stick)
    standing, last = replay(model, site, stick)
    columns: dict[str, Any] = {
        "score": stick.score,
        "seen": standing.seen,
        "last_finished_at": last.finished_at if last else None,
        "last_grade": last.grade if last else 0,
        "log_capital": standing.bets.log_capital,
        "highest": standing.highest,
        "bets": standing.bets.to_json(),
        "updated_at": timezone.now(),
    }
    if not WatchStream.objects.filter(pk=row.pk, updated_at=row.updated_at).update(**columns):
        return None
    for name, value in columns.items():
        setattr(row, name, value)
    return row, standing


def _row(model: ModelVersion, site: str, stick: Yardstick) -> tuple[WatchStream, bool]:
    try:
        with transaction.atomic():
            return WatchStream.objects.get_or_create(model=model, site=site, defaults={"score": stick.score})
    except IntegrityError:
        return WatchStream.objects.get(model=model, site=site), False
