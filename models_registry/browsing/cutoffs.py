"""One class of a version against the rest, at every cut-off: figures, curves with their bands, and what the version itself does."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models_registry.browsing import kept
from models_registry.models import Evaluation, ModelVersion
from models_registry.statistics.cutoffs import FIGURES, STEPS, Cases, bands, table
from models_registry.statistics.resampling import Groups
from models_registry.versions import summaries
from models_registry.versions.summaries import FEW, of_class

REMEMBERED: Final = 64
# Of two classes the more probable one counts: at one half.
HALF: Final = 0.5
# So many steps of the slider lie between two rows of the table for readers.
TABLE_STEP: Final = 5
_SIDES: Final = ((1, "low"), (2, "high"))
Computed = tuple[list[dict[str, Any]], dict[str, list[list[float]]]]
_memory: OrderedDict[tuple[Any, int, int], Computed] = OrderedDict()


@dataclass(frozen=True)
class Cutoffs:
    """`positive`: the class, as {"id", "name"}; `rows` and `bands` as `statistics.cutoffs` gives them; `chosen`: one of `rows`.
    `made`: false while a worker reads the answers, which are many; then there are no rows."""

    positive: Mapping[str, Any]
    rows: list[dict[str, Any]]
    bands: dict[str, list[list[float]]]
    chosen: dict[str, Any]
    made: bool = True

    @property
    def brief(self) -> list[dict[str, Any]]:
        return self.rows[::TABLE_STEP]

    @property
    def data(self) -> list[list[Any]]:
        """The rows for the page's script: [tp, fn, fp, tn, then [value, low, high] of each figure]."""
        return [
            [*(row[cell] for cell in ("tp", "fn", "fp", "tn")), *(_triple(row[name]) for name in FIGURES)]
            for row in self.rows
        ]


def _triple(entry: Mapping[str, float] | None) -> list[float | None] | None:
    return None if entry is None else [entry["value"], entry.get("low"), entry.get("high")]


def of(model: ModelVersion, evaluation: Evaluation, positive: str | None, cutoff: str | None) -> Cutoffs | None:
    """None where the evaluation kept no answers. `positive`: a class's key, else the last class of two and the first of more;
    `cutoff`: a number from 0 to 1, else one half."""
    answers = kept.count(evaluation)
    if not answers:
        return None
    place = _place(model, positive)
    found = _of_few(evaluation, place) if answers <= FEW else summaries.found(evaluation, of_class(place), answers)
    if found is None:
        return Cutoffs(model.classes[place], [], {}, {}, made=False)
    rows, around = found
    return Cutoffs(model.classes[place], rows, around, rows[_step(cutoff)])


def _place(model: ModelVersion, positive: str | None) -> int:
    ids = [str(entry["id"]) for entry in model.classes]
    if positive in ids:
        return ids.index(positive)
    return 1 if len(ids) == 2 else 0


def _step(cutoff: str | None) -> int:
    try:
        value = float(cutoff or HALF)
    except ValueError:
        value = HALF
    return round(min(max(value, 0.0), 1.0) * STEPS) if value == value else STEPS // 2


def _of_few(evaluation: Evaluation, place: int) -> Computed:
    """Remembered by evaluation, class and number of answers: it changes only when a scan is erased."""
    known = kept.answers(evaluation)
    key = kept.mark(evaluation), place, len(known)
    if key not in _memory:
        _memory[key] = _computed(known, place)
        while len(_memory) > REMEMBERED:
            _memory.popitem(last=False)
    return _memory[key]


def made(evaluation: Evaluation, place: int) -> Computed:
    """The worker's side: of all answers, however many. One class's rows and bands, as the page has them."""
    return _computed(kept.answers(evaluation), place)


def _computed(known: kept.Answers, place: int) -> Computed:
    cases = Cases(known.shares[:, place], known.truth == place, Groups.of(known.groups))
    has_both = 0 < int(cases.positive.sum()) < len(known)
    return table(cases), bands(cases) if has_both else {"roc": [], "pr": []}


def curve(found: Cutoffs, kind: str) -> list[dict[str, Any]]:
    """Points for a plot, each at its cut-off, without repetitions: `x`, `y`, `cutoff` and the band's `low` and `high`."""
    band = np.array(found.bands[kind]).T if found.bands[kind] else None
    points: list[dict[str, Any]] = []
    for row in reversed(found.rows):
        where = _place_on(row, kind)
        if where is None or (points and where == (points[-1]["x"], points[-1]["y"])):
            continue
        around = {} if band is None else {side: float(np.interp(where[0], band[0], band[k])) for k, side in _SIDES}
        points.append({"x": where[0], "y": where[1], "cutoff": row["cutoff"], **around})
    return points


def _place_on(row: Mapping[str, Any], kind: str) -> tuple[float, float] | None:
    have, rest, above = row["tp"] + row["fn"], row["fp"] + row["tn"], row["tp"] + row["fp"]
    if not have or not rest or (kind == "pr" and not above):
        return None
    recall = row["tp"] / have
    return (row["fp"] / rest, recall) if kind == "roc" else (recall, row["tp"] / above)
