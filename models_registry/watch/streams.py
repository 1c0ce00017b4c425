"""The online test of each version at each place (`statistics.martingale`), fed with its grades in the order of their answers.

Its row only remembers where it stands: `replay` computes the same from the grades. Counted are the first grades of patients (of
scans where no patient is known) that the version has not seen before: others are not exchangeable with the reference."""

import hashlib
import math
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
# A worker may store its answer so much after others that were given later.
LATE: Final = timedelta(minutes=10)
# Streams that a process remembers: of each as many numbers as it has counted grades.
REMEMBERED: Final = 16
# When an answer was given and the key of its grade; and (key, when, patient or scan, score).
Place = tuple[datetime, int]
Answered = tuple[int, datetime, str, float]


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


# By version, place, what is ranked, and the bundle: a key may be given again in a restored database.
_left: "OrderedDict[tuple[int, str, str, str], _Remembered]" = OrderedDict()


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


@dataclass
class Reading:
    """How far the grades of a stream were read: whose they were, the last one, and those shortly before it. A grade that was
    stored after others that were answered later shows there."""

    known: set[str] = field(default_factory=set)
    at: Place | None = None
    recent: dict[int, datetime] = field(default_factory=dict)

    def take(self, answered: Answered) -> Counted | None:
        """The next one; None where it does not count, being not the first of its patient."""
        pk, at, group, score = answered
        self.at, self.recent[pk] = (at, pk), at
        if group in self.known:
            return None
        self.known.add(group)
        return Counted(pk, at, score)

    def settle(self) -> None:
        if self.at is not None:
            since = self.at[0] - LATE
            self.recent = {pk: at for pk, at in self.recent.items() if at >= since}


def _answered(model: ModelVersion, site: str, kind: str, since: datetime | None = None) -> Iterator[Answered]:
    """Answered grades of scans that the version had not seen, in the order of their answers."""
    column = "confidence" if kind == DOUBT else kind
    rows = Grade.objects.filter(
        model=model, site=site, status=WorkStatus.SUCCEEDED, blind=False, seen_in__isnull=True
    ).exclude(**{column: None})
    if since is not None:
        rows = rows.filter(finished_at__gte=since)
    columns = ("pk", "finished_at", "image", "image__patient", column)
    for pk, at, image, patient, value in rows.order_by("finished_at", "pk").values_list(*columns).iterator():
        yield pk, at, patient or f"#{image}", 1 - value if kind == DOUBT else value


def counted(model: ModelVersion, site: str, kind: str, reading: Reading | None = None) -> Iterator[Counted]:
    """The grades that count, in the order in which they were answered. `reading` is told how far they were read."""
    reading = reading or Reading()
    for answered in _answered(model, site, kind):
        one = reading.take(answered)
        if one is not None:
            yield one


def restarts(model: ModelVersion, site: str) -> list[datetime]:
    """When somebody let the version go on after an alarm."""
    rows = AlarmDecision.objects.filter(alarm__model=model, alarm__site=site, decision=AlarmDecision.Decision.GO_ON)
    return list(rows.order_by("created_at").values_list("created_at", flat=True))


def replay(
    model: ModelVersion,
    site: str,
    stick: Yardstick,
    row: WatchStream | None = None,
    reading: Reading | None = None,
) -> Standing:
    """The whole stream from its grades; or from where `row` stands, if that is a place in it, to the same end."""
    rows = list(counted(model, site, stick.score, reading))
    standing = _resumed(row, rows, stick) if row else None
    if standing is None:
        standing = Standing(Bets.new(len(stick.values)), sorted(stick.values))
    return _taken(model, site, standing, rows[standing.seen :])


def _taken(model: ModelVersion, site: str, standing: Standing, rows: Sequence[Counted]) -> Standing:
    ahead = restarts(model, site)
    for one in rows:
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


@dataclass
class _Remembered:
    """Where this process left a stream: each look reads what was answered since, not all grades of the place."""

    reading: Reading
    pool: list[float]
    seen: int
    last: Counted | None


def _continued(model: ModelVersion, site: str, stick: Yardstick, row: WatchStream) -> tuple[Standing, Reading] | None:
    """From where this process left it, past what others have counted in since, to the end. None where that is not known, or a
    grade came in between: then all of it is read."""
    left = _left.pop((model.pk, site, stick.score, model.bundle_sha256), None)
    if left is None or left.reading.at is None or not row.bets or row.score != stick.score:
        return None
    reading, place = left.reading, left.reading.at
    fresh = [one for one in _answered(model, site, stick.score, place[0] - LATE) if one[0] not in reading.recent]
    if any((at, pk) < place for pk, at, _, _ in fresh):
        return None
    new = [one for one in map(reading.take, fresh) if one is not None]
    others = row.seen - left.seen
    if not 0 <= others <= len(new):
        return None
    for one in new[:others]:
        insort(left.pool, one.score)
    last = new[others - 1] if others else left.last
    if last is None or (last.grade, last.finished_at) != (row.last_grade, row.last_finished_at):
        return None
    standing = Standing(Bets.of(row.bets), left.pool, row.highest, row.seen, row.bets["restarts"], last)
    return _taken(model, site, standing, new[others:]), reading


def _remember(model: ModelVersion, site: str, stick: Yardstick, standing: Standing, reading: Reading) -> None:
    reading.settle()
    key = (model.pk, site, stick.score, model.bundle_sha256)
    _left[key] = _Remembered(reading, standing.pool, standing.seen, standing.last)
    while len(_left) > REMEMBERED:
        _left.popitem(last=False)


def advance(model: ModelVersion, site: str, *, whole: bool = False) -> tuple[WatchStream, Standing] | None:
    """Count in what has been answered since (`whole`: compute all of it again), and keep where the stream stands. None when the
    version cannot be watched, or another worker was quicker."""
    stick = yardstick(model)
    if stick is None:
        return None
    row = _row(model, site, stick)
    found = None if whole else _continued(model, site, stick, row)
    if found is None:
        reading = Reading()
        found = replay(model, site, stick, None if whole else row, reading), reading
    standing, reading = found
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
    _remember(model, site, stick, standing, reading)
    for name, value in columns.items():
        setattr(row, name, value)
    return row, standing


def _row(model: ModelVersion, site: str, stick: Yardstick) -> WatchStream:
    try:
        with transaction.atomic():
            return WatchStream.objects.get_or_create(model=model, site=site, defaults={"score": stick.score})[0]
    except IntegrityError:
        return WatchStream.objects.get(model=model, site=site)
