"""How soon the watching without labels notices another hospital, and how often it is wrong.

The engine's own networks learn the chest radiographs of children; their validation films are the reference, test films come
from the same place, and films of adults from a second hospital are what should be noticed. All of it by the product's code:
the network, its detector (plain Mahalanobis where the engine fits none), and `statistics.martingale`. The bets were chosen on
simulated numbers alone, so neither half of the second hospital chose anything; both are reported.

False alarms: validation and test films shuffled and split again into reference and stream, as often as `--streams` says; and
streams of 500 uniform p-values, which is what the online p-values are when nothing has changed, whatever the scores.

    python -m benchmarks.watching [--data DIR] [--epochs N] [--kept FILE.npz]
"""

import argparse
import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import _common, _training_data, _training_quality

Floats = npt.NDArray[np.float64]
ORDERS, STREAMS, LENGTH = 20, 1000, 500
SHARE = 0.2
WITHIN_PURE, WITHIN_FIFTH = 10, 120
NEVER = 10**6


def scores(data: Path, epochs: int | None = None) -> dict[str, Floats]:
    """Distances of validation, test and second-hospital films; trains first."""
    from models_registry.inference.architectures import restored
    from models_registry.inference.preprocess import shrink
    from models_registry.inference.runtimes import Eager
    from training.engine import ensemble
    from training.engine.data import TrainData
    from training.engine.series import Watch

    learning, test = _training_data.xray(data), _training_data.xray_test(data)
    config = _training_quality.configuration(_training_quality.XRAY, len(learning.train), seed=0, epochs=epochs)
    small = [shrink(part.tiles, config.image_size) for part in (learning.train, learning.val)]
    held = TrainData(small[0], learning.train.labels, small[1], learning.val.labels, len(learning.classes))
    trained = ensemble.train(held, config, Watch(_ignore, _ignore, _go_on), device="cpu")
    networks = [restored(config.architecture, len(learning.classes), one.state_dict) for one in trained.members]
    runtime = Eager(
        [network.eval() for network in networks], trained.members[0].preprocess, flip_tta=config.flip_tta, device="cpu"
    )
    second, halves = second_hospital(data)
    parts = {"val": learning.val.tiles, "test": test.tiles, "second": second}
    features = {name: runtime.run(tiles).features for name, tiles in {**parts, "train": learning.train.tiles}.items()}
    judge = _detector(runtime, learning, config, features["train"])
    found = {name: np.asarray(judge(features[name], tiles), dtype=np.float64) for name, tiles in parts.items()}
    return {
        "val": found["val"],
        "test": found["test"],
        "first": found["second"][halves == 0],
        "last": found["second"][halves == 1],
    }


def second_hospital(data: Path) -> tuple[Any, npt.NDArray[np.int64]]:
    """Tiles of the second hospital and the half (0 or 1) of each: every other film of its table."""
    folder = data / "second_hospital"
    with (folder / "labels.csv").open(newline="") as table:
        names = [next(iter(row.values())) for row in csv.DictReader(table)]
    files = {path.name: path for path in folder.rglob("*.jp*g")}
    paths = [files[Path(name).name] for name in names if Path(name).name in files] or sorted(files.values())
    tiles = np.stack([_training_data.tile(path.read_bytes()) for path in paths])
    return tiles, np.arange(len(paths), dtype=np.int64) % 2


def _detector(runtime: Any, learning: Any, config: Any, trained: npt.NDArray[np.float32]) -> Any:
    """What serves, where the engine fits it; else a Gaussian by class with a shared covariance."""
    from models_registry.inference.preprocess import shrink

    try:
        from models_registry.inference.knowing.detector import Detector
        from training.engine.knowing import Material, fit_knowing
    except ImportError:
        return _mahalanobis(trained, learning.train.labels)
    small = [shrink(part.tiles, config.image_size) for part in (learning.train, learning.val)]
    facts, tensors = fit_knowing(
        Material(
            small[0],
            learning.train.labels,
            small[1],
            lambda tiles: runtime.run(tiles).features,
            mirrored=config.allow_flips,
        )
    )
    detector = Detector.of(facts, tensors, config.image_size)
    return lambda features, tiles: detector.judge(features, tiles).distances


def _mahalanobis(trained: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Any:
    from sklearn.covariance import LedoitWolf

    centre, scale = trained.mean(axis=0), trained.std(axis=0) + 1e-6
    known = (trained - centre) / scale
    means = np.stack([known[labels == one].mean(axis=0) for one in np.unique(labels)])
    precision = LedoitWolf(assume_centered=True).fit(known - means[labels]).precision_

    def judge(features: npt.NDArray[np.float32], _tiles: Any) -> Floats:
        away = (features - centre) / scale
        squares = [np.einsum("ij,jk,ik->i", away - mean, precision, away - mean) for mean in means]
        return np.asarray(np.sqrt(np.min(squares, axis=0)), dtype=np.float64)

    return judge


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


def measured(found: dict[str, Floats], streams: int) -> dict[str, Any]:
    """The figures of `results/grading.json`, from distances."""
    reference, clean = found["val"], found["test"]
    figures: dict[str, Any] = {}
    for half in ("first", "last"):
        pure = alarms(reference, clean, found[half], 1.0)
        mixed = alarms(reference, clean, found[half], SHARE)
        figures |= {
            f"watch_alarm_after_median_{half}_half": _shown(float(np.median(pure))),
            f"watch_alarm_within_{WITHIN_PURE}_{half}_half": sum(place <= WITHIN_PURE for place in pure),
            f"watch_fifth_alarm_within_{WITHIN_FIFTH}_{half}_half": sum(place <= WITHIN_FIFTH for place in mixed),
        }
    figures["watch_alarm_after_median"] = figures["watch_alarm_after_median_last_half"]
    figures["watch_false_alarm_share"] = false_alarms_of_500(streams)
    figures["watch_false_alarm_share_films"] = false_alarms(np.concatenate([reference, clean]), len(reference), streams)
    figures["watch_orders"], figures["watch_streams"] = ORDERS, streams
    figures["watch_n_reference"], figures["watch_n_clean"] = len(reference), len(clean)
    return figures


def _shown(value: float) -> float | None:
    return None if value >= NEVER / 2 else value


def figures(data: Path | None = None, *, epochs: int | None = None, streams: int = STREAMS) -> dict[str, Any]:
    """For `benchmarks.grading`."""
    return measured(scores(data or _common.ROOT.parent / "shared" / "data", epochs), streams)


def _ignore(*_: object) -> None:
    return None


def _go_on() -> bool:
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=_common.ROOT.parent / "shared" / "data")
    parser.add_argument("--epochs", type=int, help="one network for so many epochs, instead of the default recipe")
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--kept", type=Path, help="distances of an earlier run; written when it is not there")
    given = parser.parse_args()
    with _common.scratch_site():
        if given.kept and given.kept.exists():
            found = dict(np.load(given.kept))
        else:
            found = scores(given.data, given.epochs)
            if given.kept:
                np.savez(given.kept, **found)
        path = _common.RESULTS / "grading.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        _common.save("grading", {**known, **measured(found, given.streams)})


if __name__ == "__main__":
    main()
