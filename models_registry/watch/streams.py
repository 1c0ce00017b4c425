"""The online test of each version at each place (`statistics.martingale`), fed with its grades in the order of their answers.

Its row only remembers where it stands: `replay` computes the same from the grades. Counted are the first grades of patients (of
scans where no patient is known) that the version has not seen before: others are not exchangeable with the reference."""

import hashlib
import math
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass
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
    """Where a stream stands: its bets, all scores so far in order of size, the highest log of its capital since somebody let the
    version go on, how many grades were counted, and the grade at which it reached the limit just now, if it did."""

    bets: Bets
    pool: list[float]
    highest: float = 0.0
    seen: int = 0
    restarts: int = 0
    last: Counted | None = None
    alarm_at: Counted | None = None
    seen_at_alarm: int = 0

    def take(self, one: Counted, chance: float) -> None:
        log = self.bets.step(p_value(self.pool, one.score, chance))
        insort(self.pool, one.score)
        self.seen, self.last = self.seen + 1, one
        if self.highest < LIMIT <= log:
            self.alarm_at, self.seen_at_alarm = one, self.seen
        self.highest = max(self.highest, log)

    def begin_anew(self) -> None:
        """Somebody has looked and lets the version go on: what came in so far belongs to what is normal."""
        self.bets, self.highest, self.alarm_at = Bets.new(len(self.pool)), 0.0, None
        self.restarts += 1


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
        f"{model.code} kept no figures of {MIN_REFERENCE} or more scans that it had not learned from when it was made, so "
        "there is nothing to compare its grades with. Train a new version."
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


def replay(model: ModelVersion, site: str, stick: Yardstick, row: WatchStream | None = None) -> Standing:
    """The whole stream from its grades; or from where `row` stands, if that is a place in it, to the same end."""
    rows, ahead = list(counted(model, site, stick.score)), restarts(model, site)
    standing = _resumed(row, rows, stick) if row else None
    if standing is None:
        standing = Standing(Bets.new(len(stick.values)), sorted(stick.values))
    for one in rows[standing.seen :]:
        while len(ahead) > standing.restarts and one.finished_at > ahead[standing.restarts]:
            standing.begin_anew()
        standing.take(one, chance(model, one.grade))
    while len(ahead) > standing.restarts:
        standing.begin_anew()
    return standing


def _resumed(row: WatchStream, rows: list[Counted], stick: Yardstick) -> Standing | None:
    """Where the row stands; None when it is not what the grades up to there give: another score, or one came in between."""
    if not row.bets or row.score != stick.score or not 0 < row.seen <= len(rows):
        return None
    last = rows[row.seen - 1]
    if (last.grade, last.finished_at) != (row.last_grade, row.last_finished_at):
        return None
    pool = sorted([*stick.values, *(one.score for one in rows[: row.seen])])
    return Standing(Bets.of(row.bets), pool, row.highest, row.seen, row.bets["restarts"], last)


def advance(model: ModelVersion, site: str, *, whole: bool = False) -> tuple[WatchStream, Standing] | None:
    """Count in what has been answered since (`whole`: compute all of it again), and keep where the stream stands. None when the
    version cannot be watched, or another worker was quicker."""
    stick = yardstick(model)
    if stick is None:
        return None
    row = _row(model, site, stick)
    standing = replay(model, site, stick, None if whole else row)
    columns: dict[str, Any] = {
        "score": stick.score,
        "seen": standing.seen,
        "last_finished_at": standing.last.finished_at if standing.last else None,
        "last_grade": standing.last.grade if standing.last else 0,
        "log_capital": standing.bets.log_capital,
        "highest": standing.highest,
        "bets": {**standing.bets.to_json(), "restarts": standing.restarts},
        "updated_at": timezone.now(),
    }
    if not WatchStream.objects.filter(pk=row.pk, updated_at=row.updated_at).update(**columns):
        return None
    for name, value in columns.items():
        setattr(row, name, value)
    return row, standing


def _row(model: ModelVersion, site: str, stick: Yardstick) -> WatchStream:
    try:
        with transaction.atomic():
            return WatchStream.objects.get_or_create(model=model, site=site, defaults={"score": stick.score})[0]
    except IntegrityError:
        return WatchStream.objects.get(model=model, site=site)
