"""Any two versions beside one another: on the test scans that both have answered and that doctors had read the same way."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _

from models_registry.browsing import kept
from models_registry.browsing.gallery import PAGE_SIZE
from models_registry.browsing.kept import Answers
from models_registry.models import Evaluation, ModelVersion
from models_registry.statistics.comparison import compare
from models_registry.versions import summaries
from models_registry.versions.lineage import bases_of, why_flattered

REMEMBERED: Final = 32
# Who is right where the two differ.
FIRST, SECOND, NEITHER = "first", "second", "neither"
Pair = tuple[Evaluation, Evaluation]
_memory: OrderedDict[tuple[Any, Any, int], dict[str, Any]] = OrderedDict()


@dataclass(frozen=True)
class Differing:
    """One scan that the two answer differently: places of classes in the first version's order, and both confidences."""

    image: int
    truth: int
    said: tuple[int, int]
    confidence: tuple[float, float]

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Differing":
        """From what was kept as JSON."""
        image, truth, said, confidence = row
        return cls(image, truth, tuple(said), tuple(confidence))

    @property
    def right(self) -> str:
        return FIRST if self.said[0] == self.truth else SECOND if self.said[1] == self.truth else NEITHER


@dataclass(frozen=True)
class Comparison:
    """`reason`: why there is none (yet: `awaited`); else the `tests` of `statistics.comparison`, and what each said of the shared
    scans. `surest`: of the scans on which they differ the first page, by who is right ("" for all); `counts`: how many."""

    first: ModelVersion
    second: ModelVersion
    reason: str = ""
    awaited: bool = False
    readings: tuple[Evaluation, ...] = ()
    tests: dict[str, Any] = field(default_factory=dict)
    matrices: Sequence[list[list[int]]] = ()
    surest: Mapping[str, Sequence[Differing]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def count(self, who: str) -> int:
        return self.counts.get(who, 0)


def of(first: ModelVersion, second: ModelVersion) -> Comparison:
    ids = [entry["id"] for entry in first.classes]
    theirs = [entry["id"] for entry in second.classes]
    if sorted(ids) != sorted(theirs):
        return Comparison(first, second, _("They do not know the same classes."))
    chosen = _readings(first, second)
    if chosen is None:
        reason = _("Of one of them no evaluation kept what it said of each scan. Evaluate it again.")
        return Comparison(first, second, reason)
    bases = bases_of(first.project_id)
    for model, reading in zip((first, second), chosen, strict=True):
        if unfair := why_flattered(model, reading.snapshot, bases, lately=True):
            return Comparison(first, second, unfair)
    return _told(first, second, chosen, _found(chosen))


def _found(pair: Pair) -> dict[str, Any] | None:
    """None while a worker reads the answers, which are many."""
    answers = kept.count(*pair)
    if answers <= 2 * summaries.FEW:
        return made(*pair)
    found: dict[str, Any] | None = summaries.found(pair[0], summaries.against(pair[1]), answers)
    return found


def made(one: Evaluation, two: Evaluation) -> dict[str, Any]:
    """Of all answers, however many: what a page tells, as JSON."""
    ids, theirs = ([entry["id"] for entry in reading.model.classes] for reading in (one, two))
    mine, others = _shared(kept.answers(one), kept.answers(two), [theirs.index(pk) for pk in ids])
    if not len(mine):
        return {}
    names = [entry["name"] for entry in one.model.classes]
    return {
        "tests": _tests((one, two), mine, others, names),
        "matrices": [_matrix(mine), _matrix(others)],
        **_by_right(_differing(mine, others)),
    }


def _told(first: ModelVersion, second: ModelVersion, pair: Pair, found: dict[str, Any] | None) -> Comparison:
    if found is None:
        reason = _("Their answers are many: a worker compares them. Look again in a minute.")
        return Comparison(first, second, reason, awaited=True)
    if not found:
        return Comparison(first, second, _("No test scan was answered by both."))
    surest = {who: [Differing.of(row) for row in rows] for who, rows in found["surest"].items()}
    return Comparison(first, second, readings=pair, **{**found, "surest": surest})


def _by_right(differing: Sequence[Differing]) -> dict[str, Any]:
    surest: dict[str, list[Any]] = {who: [] for who in ("", FIRST, SECOND, NEITHER)}
    counts = dict.fromkeys(surest, 0)
    for one in differing:
        for who in ("", one.right):
            counts[who] += 1
            if len(surest[who]) < PAGE_SIZE:
                surest[who].append(astuple(one))
    return {"surest": surest, "counts": counts}


def _readings(first: ModelVersion, second: ModelVersion) -> Pair | None:
    """The newest pair of the same test set, else the newest of each."""
    mine, others = kept.readings(first), kept.readings(second)
    if not mine or not others:
        return None
    by_test = {reading.snapshot.test_hash or reading.snapshot_id: reading for reading in reversed(others)}
    for reading in mine:
        same = by_test.get(reading.snapshot.test_hash or reading.snapshot_id)
        if same is not None:
            return reading, same
    return mine[0], others[0]


def _shared(one: Answers, two: Answers, order: Sequence[int]) -> tuple[Answers, Answers]:
    """Both on the scans that both have with the same label, classes in the order of the first."""
    both = sorted(set(one.images) & set(two.images))
    two, one = two.of(both, order), one.of(both, range(one.shares.shape[1]))
    same = [image for image, a, b in zip(both, one.truth, two.truth, strict=True) if a == b]
    plain = range(one.shares.shape[1])
    return one.of(same, plain), two.of(same, plain)


def _tests(pair: Pair, one: Answers, two: Answers, names: list[str]) -> dict[str, Any]:
    """Remembered by the two readings and the number of scans: it changes only when a scan is erased."""
    key = kept.mark(pair[0]), kept.mark(pair[1]), len(one)
    if key not in _memory:
        _memory[key] = compare(one.truth, one.shares, two.shares, one.groups, names)
        while len(_memory) > REMEMBERED:
            _memory.popitem(last=False)
    return _memory[key]


def _matrix(known: Answers) -> list[list[int]]:
    k = known.shares.shape[1]
    counts: npt.NDArray[np.int64] = np.bincount(known.truth * k + known.said, minlength=k * k)
    return [[int(count) for count in row] for row in counts.reshape(k, k)]


def _differing(one: Answers, two: Answers) -> tuple[Differing, ...]:
    """The surest first."""
    sure = one.shares.max(axis=1), two.shares.max(axis=1)
    found = [
        Differing(
            one.images[row],
            int(one.truth[row]),
            (int(one.said[row]), int(two.said[row])),
            (float(sure[0][row]), float(sure[1][row])),
        )
        for row in np.flatnonzero(one.said != two.said)
    ]
    return tuple(sorted(found, key=lambda each: -max(each.confidence)))
