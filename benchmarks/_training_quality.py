"""How good the product's own training is: PneumoniaMNIST and the chest radiographs.

Every training is `training.engine.ensemble.train` with the product's default configuration, every answer comes from the
networks through `mean_logits`, as a deployed version gives it. The decision is the more probable class of a model
trained on balanced batches: no threshold is tuned anywhere. A run is kept per seed and configuration, so that a long
benchmark can be done in pieces; its test figures are read only in a final run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import _training_data as sets
from benchmarks import _training_more as more
from benchmarks._training_machine import code_digest, watched
from models_registry.inference.names import COLOUR, EQUALISED, GREY, LEVELS_KEPT
from models_registry.inference.preprocess import Pixels

PNEUMONIAMNIST, BEST, XRAY, XRAY_EQUALISED = "pneumoniamnist", "pneumoniamnist_best", "xray", "xray_equalised"
XRAY_LEVELS = "xray_levels"
XRAY_224, CELLS, CELLS_GREY, BREAST = "xray224", more.CELLS, "colour_cells_grey", more.BREAST
# What is said of a set: the side of its pictures where that is small, a size to train at instead of the recipe's, what the
# network sees, and whether it does not matter how a scan is turned, as it does not of cells.
SETS: dict[str, dict[str, Any]] = {
    PNEUMONIAMNIST: {"picture_side": 28},
    BEST: {"picture_side": 28},
    BREAST: {"picture_side": 28},
    XRAY: {},
    XRAY_EQUALISED: {},
    XRAY_LEVELS: {"levels": EQUALISED},
    XRAY_224: {"image_size": 224},
    CELLS: {"sees": COLOUR, "any_angle": True},
    # All as in colour, the network included, so that nothing but the colour makes the difference.
    CELLS_GREY: {"any_angle": True},
}
# What the best configuration changes in the default one. Decided before any test picture was read: the most networks that
# a version may have, trained as long as fifteen minutes of two cores allow by the measured seconds of one.
BEST_CHANGES: dict[str, Any] = {"members": 5, "epochs": 50}
LARGE_SIDE = 1024
THUMBNAIL = 32


@dataclass(frozen=True)
class Outcome:
    """Logits of one training: of the validation pictures, of the test pictures where they were read, and of those of other
    hospitals."""

    config: dict[str, Any]
    best_epochs: list[int]
    val_logits: npt.NDArray[np.float64]
    test_logits: npt.NDArray[np.float64] | None
    machine: dict[str, Any]
    elsewhere: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def logits_of_test(self) -> npt.NDArray[np.float64]:
        if self.test_logits is None:
            raise ValueError("the test pictures were not read")
        return self.test_logits


def configuration(name: str, n_train: int, *, seed: int, epochs: int | None = None) -> Any:
    """The product's default for a machine without GPU and without pre-trained weights, or one network for a number of epochs.

    Laterality does not decide whether a chest is inflamed, so the project would allow mirror images.
    """
    from training.choosing import CPU, Machine, choose
    from training.engine.recipe import default_config

    said = {"picture_side": LARGE_SIDE, **SETS[name]}
    levels = said.pop("levels", LEVELS_KEPT)
    shown = min(said["picture_side"], said.get("image_size", LARGE_SIDE))
    sees = COLOUR if name == CELLS_GREY else said.get("sees", GREY)
    choice = choose(
        Machine(CPU, ()), n_train=n_train, image_size=shown, from_scratch=True, only_pretrained=False, sees=sees
    )
    config = default_config(
        n_train,
        weights_available=False,
        architecture=choice.architecture,
        seed=seed,
        allow_flips=True,
        epochs=epochs,
        **said,
    )
    config = replace(config, levels=levels)
    if epochs is not None:
        config = replace(config, epochs=epochs, members=1)
    return replace(config, **BEST_CHANGES) if name == BEST else config


def train(
    learning: sets.Learning,
    config: Any,
    test: sets.Part | None,
    *,
    device: str = "cpu",
    elsewhere: Mapping[str, sets.Part] | None = None,
) -> Outcome:
    """One training from beginning to end; test pictures are read once, when it is over."""
    from models_registry.inference.architectures import restored
    from models_registry.inference.predictor import mean_logits
    from models_registry.inference.preprocess import shrink
    from training.engine import ensemble
    from training.engine.data import TrainData
    from training.engine.series import Watch

    train, val = learning.train, learning.val
    # Shrunk beforehand, as a run reads them.
    small = [shrink(part.tiles, config.image_size) for part in (train, val)]
    data = TrainData(small[0], train.labels, small[1], val.labels, len(learning.classes))
    with watched() as machine:
        trained = ensemble.train(data, config, Watch(_ignore, _ignore, _go_on), device=device)
    preprocess = trained.members[0].preprocess
    networks = [
        restored(config.architecture, len(learning.classes), member.state_dict, preprocess.channels)
        for member in trained.members
    ]

    def logits(part: sets.Part) -> npt.NDArray[np.float64]:
        found = mean_logits(networks, preprocess, part.tiles, poses=config.poses)
        return np.asarray(found, dtype=np.float64)

    epochs = [member.best_epoch for member in trained.members]
    others = {name: logits(part) for name, part in (elsewhere or {}).items()}
    return Outcome(config.to_dict(), epochs, logits(val), logits(test) if test else None, machine.to_dict(), others)


def _ignore(*_: object) -> None:
    return None


def _go_on() -> bool:
    return False


def report(part: sets.Part, logits: npt.NDArray[np.float64], classes: Sequence[str]) -> dict[str, Any]:
    """AUROC, accuracy, balanced accuracy, sensitivity and specificity with 95 % intervals, by the product's metrics."""
    from models_registry.statistics.calibration import softmax
    from models_registry.statistics.metrics import evaluation_report

    figures = evaluation_report(part.labels, softmax(logits), part.groups, classes)
    names = ("auroc", "accuracy", "balanced_accuracy", "sensitivity", "specificity")
    return {
        name: {
            side: round(figures[name][side], 4) for side in ("value", "low", "high") if figures[name][side] is not None
        }
        for name in names
    }


def one_run(
    learning: sets.Learning, config: Any, test: sets.Part | None, elsewhere: Mapping[str, sets.Part] | None = None
) -> dict[str, Any]:
    """What is kept of one training."""
    done = train(learning, config, test, elsewhere=elsewhere)
    return {
        "seed": config.seed,
        "code": code_digest(),
        "config": done.config,
        "best_epochs": done.best_epochs,
        **done.machine,
        "validation": report(learning.val, done.val_logits, learning.classes),
        "test": report(test, done.test_logits, learning.classes) if test and done.test_logits is not None else None,
        "test_logits": None if done.test_logits is None else np.round(done.test_logits, 4).tolist(),
        "elsewhere": {
            name: report((elsewhere or {})[name], logits, learning.classes) for name, logits in done.elsewhere.items()
        },
    }


def runs(
    name: str, data: Path, seeds: Sequence[int], kept: list[dict[str, Any]], *, final: bool
) -> list[dict[str, Any]]:
    """The runs of these seeds, and of those kept from earlier pieces the ones of the same configuration and program. One that
    has read the test pictures is not replaced by one that has not."""
    learning, test = learning_of(name, data), _test_part(name, data) if final else None
    elsewhere = _elsewhere(name, data, final=final) if name in (XRAY, XRAY_LEVELS) else {}
    if learning.leaks:
        print(f"left out of training, as they are in validation too: {', '.join(learning.leaks)}")
    reusable = usable(kept, configuration(name, len(learning.train), seed=0).to_dict(), final=final)
    for seed in seeds:
        if final or seed not in reusable or not reusable[seed]["test"]:
            reusable[seed] = one_run(learning, configuration(name, len(learning.train), seed=seed), test, elsewhere)
        shown = reusable[seed]["test"] or reusable[seed]["validation"]
        print(f"{name} seed {seed}: {shown} in {reusable[seed]['seconds']} s", flush=True)
    return [reusable[seed] for seed in sorted(reusable)]


def usable(kept: list[dict[str, Any]], wanted: dict[str, Any], *, final: bool) -> dict[int, dict[str, Any]]:
    """By seed those runs that figures of this configuration (of seed 0) may be put together with."""
    digest = code_digest()
    same = [run for run in kept if run["code"] == digest and {**run["config"], "seed": 0} == wanted]
    return {run["seed"]: run for run in same if run["test"] is not None or not final}


def learning_of(name: str, data: Path) -> sets.Learning:
    """What may be learned from and chosen on, as the set's own recipe sees it."""
    if name in (PNEUMONIAMNIST, BEST):
        return sets.pneumoniamnist(data)
    if name in (CELLS, CELLS_GREY):
        return more.cells(data, **seen_by(name))
    if name == BREAST:
        return more.breast(data)
    learning = sets.xray(data, seen_radiographs(name))
    if name != XRAY_EQUALISED:
        return learning
    return replace(learning, train=sets.equalised(learning.train), val=sets.equalised(learning.val))


def seen_by(name: str) -> dict[str, Any]:
    """What the recipe of a set of cells sees, and its size, which do not depend on how many they are."""
    config = configuration(name, 1, seed=0)
    return {"sees": config.sees, "size": config.image_size}


def _test_part(name: str, data: Path) -> sets.Part:
    if name in (PNEUMONIAMNIST, BEST):
        return sets.pneumoniamnist_test(data)
    if name in (CELLS, CELLS_GREY):
        return more.cells_test(data, **seen_by(name))
    if name == BREAST:
        return more.breast_test(data)
    part = sets.xray_test(data, seen_radiographs(name))
    return sets.equalised(part) if name == XRAY_EQUALISED else part


def seen_radiographs(name: str) -> Callable[[list[Path]], Pixels]:
    """What the recipe of a set of radiographs is given of files: tiles where it can be made of them."""
    if name != XRAY_LEVELS:
        return sets.tiles
    config = configuration(name, 1, seed=0)
    return lambda files: more.seen(files, config.sees, config.image_size, config.levels)


def _elsewhere(name: str, data: Path, *, final: bool) -> dict[str, sets.Part]:
    """The halves of the second hospital that may be read."""
    halves, seen = "ab" if final else "a", seen_radiographs(name)
    return {half: more.second_hospital(data, half, seen) for half in halves if (data / more.SECOND).is_dir()}


def mean_over_seeds(found: list[dict[str, Any]], figure: str) -> float | None:
    """The mean test figure; None where not every run has read the test pictures."""
    values = [run["test"][figure]["value"] for run in found if run["test"]]
    return round(float(np.mean(values)), 4) if found and len(values) == len(found) else None


def pooled(part: sets.Part, found: list[dict[str, Any]], classes: Sequence[str]) -> dict[str, Any] | None:
    """The mean over seeds of the accuracies with an interval that draws whole patients, each with all its seeds' answers.

    Every seed answers the same cases, so the accuracies of all answers together are the means over the seeds; of AUROC,
    which compares cases, that is not so, and it is left out.
    """
    read = [np.asarray(run["test_logits"]) for run in found if run["test_logits"]]
    if not read:
        return None
    many = sets.Part(part.tiles[:0], np.tile(part.labels, len(read)), part.groups * len(read))
    figures = report(many, np.concatenate(read), classes)
    return {name: value for name, value in figures.items() if name != "auroc"}


def apart(part: sets.Part, found: list[dict[str, Any]], chosen: npt.NDArray[np.int64]) -> dict[str, float]:
    """Mean AUROC and accuracy over the seeds that have read the test pictures, on some of them alone."""
    some, names = part.take(chosen), ("auroc", "accuracy")
    read = [np.asarray(run["test_logits"])[chosen] for run in found if run["test_logits"]]
    figures = [report(some, logits, [str(k) for k in range(logits.shape[1])]) for logits in read]
    return {name: round(float(np.mean([one[name]["value"] for one in figures])), 4) for name in names}


def linear_baseline(learning: sets.Learning, test: sets.Part) -> float:
    """Balanced accuracy of a logistic regression on thumbnails of 32 x 32 pixels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    model.fit(_thumbnails(learning.train), learning.train.labels)
    return round(float(balanced_accuracy_score(test.labels, model.predict(_thumbnails(test)))), 4)


def _thumbnails(part: sets.Part) -> npt.NDArray[np.float64]:
    from models_registry.inference.preprocess import shrink

    return np.asarray(shrink(part.tiles, THUMBNAIL).reshape(len(part), -1) / 255, dtype=np.float64)
