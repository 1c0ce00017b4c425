"""How soon the watching without labels notices another hospital, and how often it is wrong.

The engine's own networks learn the chest radiographs of children; their validation and test films are the reference, as of a
version that was trained here, and films of adults from a second hospital are what should be noticed. Where only a fifth is
foreign, the rest comes from the same place: with validation as reference and test films in the stream there are 75 grades at
most, so longer streams and larger references are drawn from both, moved a little at random (`simulated`).

All of it by the product's code: the model of `benchmarks.knowing`, the distance that it serves with, and
`statistics.martingale`. The bets were chosen on simulated numbers alone, so neither half of the second hospital
chose anything; both are reported.

False alarms: validation and test films shuffled and split again into reference and stream, as often as `--streams` says; and
streams of 500 uniform p-values, which is what the online p-values are when nothing has changed, whatever the scores.

Live accuracy (`statistics.betting`): answers drawn right nine times of ten, as promised, and after 100 of them seven times of
ten. A rule that many use is beside it on the same streams: alarm as soon as the 95 % interval of all so far (Wilson's, looked
at after each read from the tenth on) lies below the promise.

    python -m benchmarks.watching --data DIR [--kept FOLDER]
"""

import argparse
import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import _common, _training_data, _training_quality, knowing

Floats = npt.NDArray[np.float64]
ORDERS, STREAMS, LENGTH = 20, 1000, 500
SHARE = 0.2
# Sizes of a reference, grades of a stream, and how far a drawn distance is moved, as its logarithm.
REFERENCES, STREAM, MOVED = (96, 200, 400), 120, 0.2
WITHIN_PURE, WITHIN_FIFTH = 10, 120
NEVER = 10**6
# Of the live accuracy: what was promised, what it falls to, and after how many reads.
PROMISED, FALLEN, BEFORE = 0.9, 0.7, 100


def scores(data: Path, kept: Path | None = None) -> dict[str, Floats]:
    """Distances of validation, test and second-hospital films by the model of `benchmarks.knowing`; trains it first."""
    learning, test = _training_data.xray(data), _training_data.xray_test(data)
    model = knowing.predictor(_training_quality.XRAY, learning, kept)
    second, halves = second_hospital(data)
    parts = {"val": learning.val.tiles, "test": test.tiles, "first": second[halves == 0], "last": second[halves == 1]}
    return {name: np.asarray(model.predict(tiles).resemblance.distances) for name, tiles in parts.items()}


def second_hospital(data: Path) -> tuple[Any, npt.NDArray[np.int64]]:
    """Tiles of the second hospital and the half (0 or 1) of each: every other film of its table."""
    folder = data / "second_hospital"
    with (folder / "labels.csv").open(newline="") as table:
        names = [next(iter(row.values())) for row in csv.DictReader(table)]
    files = {path.name: path for path in folder.rglob("*.jp*g")}
    paths = [files[Path(name).name] for name in names if Path(name).name in files] or sorted(files.values())
    tiles = np.stack([_training_data.tile(path.read_bytes()) for path in paths])
    return tiles, np.arange(len(paths), dtype=np.int64) % 2


def alarms(reference: Floats, clean: Floats, foreign: Floats, share: float) -> list[int]:
    """After how many grades each of ORDERS random orders alarms, NEVER for not at all. Every film once."""
    from models_registry.statistics.martingale import course

    found = []
    for order in range(ORDERS):
        rng = np.random.default_rng(order)
        count = len(foreign) if share == 1 else min(int(len(clean) / (1 - share)), LENGTH)
        is_foreign = rng.permutation(count) < round(share * count)
        stream = np.empty(count)
        stream[is_foreign] = rng.permutation(foreign)[: is_foreign.sum()]
        stream[~is_foreign] = rng.permutation(clean)[: (~is_foreign).sum()]
        found.append(course(reference, stream, rng.random(count)).alarm_at or NEVER)
    return found


def simulated(films: Floats, foreign: Floats, n_reference: int) -> int:
    """In how many of ORDERS streams of STREAM grades, a fifth of them foreign, the alarm comes in time."""
    from models_registry.statistics.martingale import course

    in_time = 0
    for order in range(ORDERS):
        rng = np.random.default_rng(1000 + order)
        stream = _drawn(films, STREAM, rng)
        is_foreign = rng.permutation(STREAM) < round(SHARE * STREAM)
        stream[is_foreign] = rng.permutation(foreign)[: is_foreign.sum()]
        in_time += course(_drawn(films, n_reference, rng), stream, rng.random(STREAM)).alarm_at is not None
    return in_time


def _drawn(films: Floats, n: int, rng: np.random.Generator) -> Floats:
    return np.asarray(np.exp(rng.choice(np.log(films), n) + rng.normal(0, MOVED, n)))


def false_alarms(films: Floats, n_reference: int, streams: int) -> float:
    """The share of streams that alarm though reference and stream are of one source."""
    from models_registry.statistics.martingale import course

    rng, wrong = np.random.default_rng(0), 0
    for _ in range(streams):
        drawn = rng.permutation(films)
        stream = drawn[n_reference:]
        wrong += course(drawn[:n_reference], stream, rng.random(len(stream))).alarm_at is not None
    return wrong / streams


def false_alarms_of_500(streams: int) -> float:
    from models_registry.statistics.martingale import ALARM, Bets

    rng, wrong = np.random.default_rng(1), 0
    for _ in range(streams):
        bets = Bets.new(100)
        wrong += max(map(bets.step, rng.random(LENGTH))) >= math.log(ALARM)
    return wrong / streams


def falls(streams: int) -> dict[str, Any]:
    """Alarms of the live accuracy on LENGTH reads that keep the promise, and the reads that a fall takes, here and by looking at
    an interval again and again."""
    from models_registry.statistics.betting import fall

    rng, kept, dropped = np.random.default_rng(2), [], []
    for _ in range(streams):
        right = rng.random(LENGTH)
        kept.append((fall(right < PROMISED, PROMISED).alarm_at, _interval_alarm(right < PROMISED)))
        fallen = right < np.where(np.arange(LENGTH) < BEFORE, PROMISED, FALLEN)
        dropped.append((fall(fallen, PROMISED).alarm_at, _interval_alarm(fallen)))
    columns = zip(*dropped, strict=True)
    late = [[place - BEFORE for place in column if place and place > BEFORE] for column in columns]
    figures: dict[str, Any] = {}
    for place, name in enumerate(("", "_interval")):
        figures[f"watch_accuracy_false_alarm_share{name}"] = float(np.mean([row[place] is not None for row in kept]))
        figures[f"watch_accuracy_reads_after_fall_median{name}"] = float(np.median(late[place]))
    return figures


def _interval_alarm(right: npt.NDArray[np.bool_]) -> int | None:
    n = np.arange(1, len(right) + 1)
    share = np.cumsum(right) / n
    z2 = 1.96**2
    upper = (share + z2 / (2 * n) + 1.96 * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    below = np.flatnonzero((upper < PROMISED) & (n >= 10))
    return int(below[0]) + 1 if len(below) else None


def measured(found: dict[str, Floats], streams: int) -> dict[str, Any]:
    """The figures of `results/grading.json`, from distances."""
    reference, clean = found["val"], found["test"]
    both = np.concatenate([reference, clean])
    figures: dict[str, Any] = {}
    for half in ("first", "last"):
        pure = alarms(both, clean, found[half], 1.0)
        mixed = alarms(reference, clean, found[half], SHARE)
        figures |= {
            f"watch_alarm_after_median_{half}_half": _shown(float(np.median(pure))),
            f"watch_alarm_within_{WITHIN_PURE}_{half}_half": sum(place <= WITHIN_PURE for place in pure),
            f"watch_fifth_alarm_within_{WITHIN_FIFTH}_{half}_half": sum(place <= WITHIN_FIFTH for place in mixed),
        }
        figures |= {
            f"watch_fifth_simulated_within_{WITHIN_FIFTH}_of_{n}_{half}_half": simulated(both, found[half], n)
            for n in REFERENCES
        }
    figures["watch_alarm_after_median"] = figures["watch_alarm_after_median_last_half"]
    figures["watch_false_alarm_share"] = false_alarms_of_500(streams)
    figures["watch_false_alarm_share_films"] = false_alarms(both, len(reference), streams)
    figures |= falls(streams)
    figures["watch_orders"], figures["watch_streams"] = ORDERS, streams
    figures["watch_n_reference"], figures["watch_n_clean"] = len(both), len(clean)
    return figures


def _shown(value: float) -> float | None:
    return None if value >= NEVER / 2 else value


def figures(data: Path | None, kept: Path | None = None, streams: int = STREAMS) -> dict[str, Any]:
    """Keys of grading.json; null without data."""
    if data is None:
        return dict.fromkeys(("watch_alarm_after_median", "watch_false_alarm_share"))
    return measured(scores(data, kept), streams)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--kept", type=Path, help="a folder that keeps the model for the next run")
    given = parser.parse_args()
    with _common.scratch_site():
        found = figures(given.data, given.kept, given.streams)
    known = _common.RESULTS / "grading.json"
    _common.save("grading", {**(json.loads(known.read_text()) if known.exists() else {}), **found})


if __name__ == "__main__":
    main()
