"""What a model knows of what it does not know, on real scans: `python -m benchmarks.knowing --data FOLDER`.

Two models by the product's default recipe: chest radiographs, and PneumoniaMNIST at 28 pixels. Every answer is the predictor's of
the packed bundle. Foreign sets and changes chose nothing; the second hospital is split in halves, of which one (A) was looked at
when the rule that puts distances together was chosen, and the other was not. Figures go to benchmarks/results/grading.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _common, _foreign
from benchmarks import _training_data as sets
from benchmarks._training_quality import PNEUMONIAMNIST, XRAY, configuration

RESPLITS = 20
# Test scans that are turned, changed and compared, at most about so many.
MOST_SHOWN = 200
COVERED = 0.8


def predictor(name: str, learning: sets.Learning, kept: Path | None) -> Any:
    """The model as it serves; taken from `kept` where an earlier run has left it there."""
    from models_registry.inference.bundle import unpack
    from models_registry.inference.predictor import Predictor

    place = kept / f"{name}.bundle" if kept else None
    if place and place.exists():
        return Predictor(unpack(place.read_bytes()))
    data = trained(name, learning)
    if place:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return Predictor(unpack(data))


def trained(name: str, learning: sets.Learning) -> bytes:
    """A bundle by the default recipe."""
    from models_registry.inference.preprocess import shrink
    from training.engine import ensemble
    from training.engine.data import TrainData
    from training.engine.series import Watch

    config = configuration(name, len(learning.train), seed=0)
    train, val = learning.train, learning.val
    small = [shrink(part.tiles, config.image_size) for part in (train, val)]
    data = TrainData(small[0], train.labels, small[1], val.labels, len(learning.classes))
    done = ensemble.train(data, config, Watch(_ignore, _ignore, _go_on), device="cpu")
    return packed(learning, data, config, ensemble.merged(done.members))


def _ignore(*_: object) -> None:
    return None


def _go_on() -> bool:
    return False


def packed(learning: sets.Learning, data: Any, config: Any, fitted: Any) -> bytes:
    from models_registry.inference.bundle import ClassRef
    from training.engine.calibrating import divide, scans_of
    from training.engine.knowing import fit_knowing
    from training.engine.material import material
    from training.engine.package import make_bundle

    val = learning.val
    division = divide(val.labels, val.groups, data.n_classes, "benchmark")
    return make_bundle(
        fitted,
        data,
        config,
        scans_of(division, fitted, config, val.tiles, val.labels, val.groups),
        classes=[ClassRef(number, name) for number, name in enumerate(learning.classes, start=1)],
        dataset_hash="benchmark",
        laterality_matters=False,
        knowledge=fit_knowing(material(fitted, data, config)),
    )


def referrals(model: Any, test: sets.Tiles, foreign: dict[str, sets.Tiles]) -> dict[str, Any]:
    """AUROC of the distance against true test scans and share referred for what the pixels say, by set; and the same share of true
    scans and of their mild changes."""
    from sklearn.metrics import roc_auc_score

    def far(tiles: sets.Tiles) -> tuple[Any, float]:
        said = model.predict(tiles)
        return said.resemblance.distances, float(
            np.mean([bool(model.found(said, index)) for index in range(len(tiles))])
        )

    true, share = far(test)
    outside = {name: far(tiles) for name, tiles in foreign.items()}
    auroc = {
        name: float(roc_auc_score([0] * len(true) + [1] * len(found), np.concatenate([true, found])))
        for name, (found, _) in outside.items()
    }
    return {
        "auroc": _rounded(auroc),
        "referred": _rounded({name: part for name, (_, part) in outside.items()}),
        "false_referral": round(share, 4),
        "mild": _rounded({name: far(change(test))[1] for name, change in _foreign.MILD.items()}),
    }


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def hospital(model: Any, data: Path) -> dict[str, Any]:
    """Adults of another country: share referred for any reason, and right among the answered, in both halves."""
    tiles, labels = _foreign.pictures(data / "second_hospital")
    said = model.predict(tiles)
    answered = np.array([model.decide(said, index).decision == "answer" for index in range(len(tiles))])
    unlike = np.array([bool(model.found(said, index)) for index in range(len(tiles))])
    half = np.random.default_rng(5).permutation(len(tiles)) < len(tiles) // 2
    right = said.classes == labels
    return {
        "second_hospital_referred": round(float((~answered).mean()), 4),
        "second_hospital_answered_accuracy": round(float(right[answered].mean()), 4) if answered.any() else None,
        "second_hospital_answered": int(answered.sum()),
        "second_hospital_referred_half_a": round(float((~answered)[half].mean()), 4),
        "second_hospital_referred_half_b": round(float((~answered)[~half].mean()), 4),
        "second_hospital_unlike": round(float(unlike.mean()), 4),
    }


def confidence(model: Any, val: sets.Part, test: sets.Part) -> dict[str, float]:
    """Calibration error before and after the temperature, and risk at full coverage and at that of the surest; on test scans, by
    the prevalence that the probabilities are for."""
    from models_registry.statistics.calibration import expected_calibration_error
    from models_registry.statistics.prior import served_probabilities

    logits = model.predict(test.tiles).logits
    prior, temperature = model.manifest.prior, model.manifest.calibration.temperature
    weights = 1 / np.bincount(test.labels)[test.labels]
    before, after = (served_probabilities(logits, t, prior) for t in (1.0, temperature or 1.0))
    wrong = after.argmax(axis=1) != test.labels
    surest = np.argsort(-after.max(axis=1))[: round(COVERED * len(wrong))]
    return {
        "ece_before": round(expected_calibration_error(before, test.labels, weights=weights), 4),
        "ece_after": round(expected_calibration_error(after, test.labels, weights=weights), 4),
        "risk_full": round(float(wrong.mean()), 4),
        "risk_at_80": round(float(wrong[surest].mean()), 4),
        **resplit(model, val, test),
    }


def resplit(model: Any, val: sets.Part, test: sets.Part) -> dict[str, float]:
    """Coverage of prediction sets on scans that are exchangeable with those that calibrate: both splits mixed and halved again."""
    from models_registry.statistics.prior import served_probabilities
    from training.engine.calibrating import HELD_OUT, CalibrationScans
    from training.engine.crossfit import CONFORMAL_TARGET, Targets, calibrate

    tiles, labels = np.concatenate([val.tiles, test.tiles]), np.concatenate([val.labels, test.labels])
    logits = np.asarray(model.predict(tiles).logits, dtype=np.float64)
    names = np.array([f"{number}" for number in range(len(labels))])
    covered, by_class = [], []
    for seed in range(RESPLITS):
        order = np.random.default_rng(seed).permutation(len(labels))
        fit, rest = order[: len(order) // 2], order[len(order) // 2 :]
        scans = CalibrationScans(logits[fit], labels[fit], tuple(names[fit]), HELD_OUT)
        found = calibrate(scans, model.manifest.prevalence, Targets(0.9), str(seed))
        shares = served_probabilities(logits[rest], found.calibration.temperature, found.prior)
        sets_of = found.conformal.prediction_set(shares)
        if sets_of is None:
            continue
        inside = sets_of[np.arange(len(rest)), labels[rest]]
        covered.append(inside.mean())
        by_class.append([inside[labels[rest] == k].mean() for k in np.unique(labels)])
    return {
        "conformal_target": CONFORMAL_TARGET,
        "conformal_coverage": round(float(np.mean(covered)), 4),
        "conformal_coverage_per_class_min": round(float(np.mean(by_class, axis=0).min()), 4),
    }


def figures(data: Path | None, kept: Path | None = None) -> dict[str, Any]:
    """Keys of grading.json; null without data. Those that end in _28 are of PneumoniaMNIST."""
    if data is None:
        return dict.fromkeys(KEYS)
    found: dict[str, Any] = {}
    for name, learn, read, end in (
        (XRAY, sets.xray, sets.xray_test, ""),
        (PNEUMONIAMNIST, sets.pneumoniamnist, sets.pneumoniamnist_test, "_28"),
    ):
        learning, test = learn(data), read(data)
        model = predictor(name, learning, kept)
        shown = test.tiles[:: max(1, len(test) // MOST_SHOWN)]
        known = referrals(model, shown, _foreign.foreign(data, shown))
        found |= {
            f"ood_auroc_min{end}": min(known["auroc"].values()),
            f"ood_referred_min{end}": min(known["referred"].values()),
        }
        found |= {
            f"ood_false_referral{end}": known["false_referral"],
            f"mild_referred_max{end}": max(known["mild"].values()),
        }
        found[f"ood_sets{end}"] = known
        found |= {f"{key}{end}": value for key, value in confidence(model, learning.val, test).items()}
        if not end:
            found |= hospital(model, data)
    return found


KEYS = (
    "ood_auroc_min", "ood_referred_min", "ood_false_referral", "mild_referred_max", "second_hospital_referred",
    "second_hospital_answered_accuracy", "ece_before", "ece_after", "risk_full", "risk_at_80", "conformal_target",
    "conformal_coverage", "conformal_coverage_per_class_min",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder of real scans; without it nothing is measured")
    parser.add_argument("--kept", type=Path, help="a folder that keeps the two models for the next run")
    asked = parser.parse_args()
    with _common.scratch_site():
        found = figures(asked.data, asked.kept)
    known = _common.RESULTS / "grading.json"
    _common.save("grading", {**(json.loads(known.read_text()) if known.exists() else {}), **found})


if __name__ == "__main__":
    main()
