"""An online test of "these scores come in like the reference's", one score at a time, that keeps its promise of false alarms.

Each score is ranked among the reference's and those before it, ties broken by chance: while all of them are exchangeable these
p-values are independent and uniform, whatever the scores' distribution and however few the reference (Vovk, Gammerman & Shafer,
"Algorithmic Learning in a Random World", 2005). Bets on small p-values then multiply a capital of 1 that is a martingale, and
the probability that it ever reaches 1,000 is at most 1 in 1,000 (Ville 1939), however long the stream and however often one looks.

Two kinds of bets share the capital; a mean of martingales is one. **Power bets** e * p ** (e - 1) for 19 e (Vovk, Nouretdinov &
Gammerman, "Testing exchangeability on-line", ICML 2003). **Shares from a start on**: "from the k-th score on, a share s lies above
nearly all that should be here". What came in since fills the upper ranks and makes the p-values of what follows larger; by how
much follows from s, k and the number of scores, so that the bet's edge moves with it. Fixed bets go blind there. The starts
are a mixture over change points: capital is kept back for those to come (compare Shin, Ramdas & Rinaldo, "E-detectors", 2023,
whose Shiryaev-Roberts sums find changes as soon but only promise a mean time between false alarms).

Scans of one patient, and one scan twice, are not exchangeable with others: count the first grade of a scan. The reference must
not be what the score was fitted on.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models_registry.statistics.calibration import Floats

ALARM: Final = 1000.0
# With fewer the first p-values cannot be small and an alarm would take longer than anybody waits.
MIN_REFERENCE: Final = 20
EPSILONS: Final = np.linspace(0.05, 0.95, 19)
# What part of the capital the power bets get, and of the rest the start at the first score.
OF_POWERS: Final = 0.2
AT_ONCE: Final = 0.5
SHARES: Final = (0.1, 0.2, 0.35, 0.6, 1.0)
# The share of what belongs here that lies above the edge as well.
SLACKS: Final = (0.004, 0.02, 0.06)
EVERY: Final = 25
# The later starts' part of what is kept back falls as 1 / k^2: this much of it goes to the first ones.
EARLY: Final = 20
# A start that has not won in so many scores gives its capital back to those to come.
LONGEST: Final = 1500
_NEVER_ALL: Final = 0.999
_LOWEST: Final = 1e-12

_S, _B = (np.repeat(SHARES, len(SLACKS)), np.tile(SLACKS, len(SHARES)))


def p_value(pool: Sequence[float], score: float, chance: float) -> float:
    """The rank of `score` among the sorted `pool` and itself, from above, as a share in 0..1. `chance`: uniform in 0..1."""
    above, at_least = len(pool) - bisect_right(pool, score), len(pool) - bisect_left(pool, score)
    ties = at_least - above + 1
    return max((above + chance * ties) / (len(pool) + 1), _LOWEST)


@dataclass
class Bets:
    """The capital, as logarithms: of each power bet, of each start (its first score, then its bets), and what is kept back."""

    n_reference: int
    seen: int
    powers: Floats
    starts: list[tuple[int, Floats]]
    kept: float

    @classmethod
    def new(cls, n_reference: int) -> Bets:
        rest = 1 - OF_POWERS
        powers = np.full(len(EPSILONS), math.log(OF_POWERS / len(EPSILONS)))
        first = np.full(len(_S), math.log(rest * AT_ONCE / len(_S)))
        return cls(n_reference, 0, powers, [(0, first)], math.log(rest * (1 - AT_ONCE)))

    @property
    def log_capital(self) -> float:
        return float(
            np.logaddexp.reduce(np.concatenate([self.powers, *(bets for _, bets in self.starts), [self.kept]]))
        )

    def step(self, p: float) -> float:
        """Take one p-value; the log of the capital after it."""
        if self.seen and self.seen % EVERY == 0:
            self._turn_over()
        self.powers = self.powers + np.log(EPSILONS) + (EPSILONS - 1) * math.log(p)
        ages = np.asarray([self.seen - start for start, _ in self.starts], dtype=np.float64)
        won = _log_bets(p, ages, self.n_reference + self.seen + 1)
        self.starts = [(start, bets + gain) for (start, bets), gain in zip(self.starts, won, strict=True)]
        self.seen += 1
        return self.log_capital

    def _turn_over(self) -> None:
        """Begin a start with its part of what is kept back; one that is too old gives what it has to those to come."""
        old = [bets for start, bets in self.starts if self.seen - start >= LONGEST]
        self.starts = [(start, bets) for start, bets in self.starts if self.seen - start < LONGEST]
        self.kept = float(np.logaddexp.reduce([self.kept, *(x for bets in old for x in bets)]))
        part = 1 / (self.seen // EVERY + EARLY)
        self.starts.append((self.seen, np.full(len(_S), self.kept + math.log(part / len(_S)))))
        self.kept += math.log1p(-part)

    def to_json(self) -> dict[str, Any]:
        return {
            "n_reference": self.n_reference,
            "seen": self.seen,
            "powers": self.powers.tolist(),
            "starts": [[start, bets.tolist()] for start, bets in self.starts],
            "kept": self.kept,
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Bets:
        starts = [(int(start), np.asarray(bets, dtype=np.float64)) for start, bets in stored["starts"]]
        powers = np.asarray(stored["powers"], dtype=np.float64)
        return cls(int(stored["n_reference"]), int(stored["seen"]), powers, starts, float(stored["kept"]))


def _log_bets(p: float, ages: Floats, n: int) -> Floats:
    """The log of what each start (A,) of each bet wins on this p-value: (A, bets). `n`: scores so far, reference and this one
    included. A bet's density is `inside / edge` up to its edge and constant above, so that it is fair."""
    edge = np.minimum(_S * ages[:, None] / n + _B, 0.9)
    inside = np.minimum(_S + (1 - _S) * _B, _NEVER_ALL)[None, :]
    density = np.where(p <= edge, inside / edge, (1 - inside) / (1 - edge))
    # Where the ranks above the edge are filled as the bet says, nothing is left to win.
    return np.where(inside <= edge, 0.0, np.log(density))


@dataclass(frozen=True)
class Course:
    """What a stream did: the log of the capital after each score, and the place (from 1) at which it first reached ALARM."""

    log_capital: tuple[float, ...]
    alarm_at: int | None


def course(reference: Iterable[float], scores: Iterable[float], chances: Iterable[float]) -> Course:
    """A whole stream from its beginning. The same numbers give the same course."""
    pool = sorted(reference)
    bets, logs, alarm = Bets.new(len(pool)), [], None
    for place, (score, chance) in enumerate(zip(scores, chances, strict=True), start=1):
        logs.append(bets.step(p_value(pool, score, chance)))
        insort(pool, score)
        if alarm is None and logs[-1] >= math.log(ALARM):
            alarm = place
    return Course(tuple(logs), alarm)
