"""Trying configurations, on training and validation pictures alone: `python -m benchmarks._training_search --help`.

No test picture is ever read here. The validation pictures of PneumoniaMNIST come from the same patients as its training
pictures and no longer tell good recipes apart (AUROC .995 and more for all of them), so a recipe is judged on pictures
of another kind than those it saw: training and validation pictures together are parted into clusters of similar
exposure, position and size (k-means on principal components, labels unseen), and each cluster in turn is held out. The
radiographs have patients and are cross-validated by patient. Every trial becomes a line of `training_tried.csv`.
"""

import argparse
import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import _training_data as sets
from benchmarks._training_machine import watched

TRIED = Path(__file__).with_name("training_tried.csv")
COLUMNS = (
    "data", "judged_on", "changes", "folds", "auroc", "accuracy", "balanced_accuracy", "nll", "cpu_seconds_a_fold",
    "test_seen", "note",
)  # fmt: skip
N_FOLDS = 5
COMPONENTS = 16

Folds = npt.NDArray[np.int64]


def cluster_folds(part: sets.Part, *, seed: int = 0) -> Folds:
    """The cluster 0..4 of each picture; labels play no part."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    thumbnails = part.tiles[:, 4::8, 4::8].reshape(len(part), -1).astype(np.float64) / 255
    reduced = PCA(COMPONENTS, random_state=seed).fit_transform(thumbnails)
    return np.asarray(KMeans(N_FOLDS, n_init=4, random_state=seed).fit_predict(reduced), dtype=np.int64)


def patient_folds(part: sets.Part, *, seed: int = 0) -> Folds:
    """A fold 0..4 of each picture, one for all pictures of a patient, with alike shares of the classes."""
    from sklearn.model_selection import StratifiedGroupKFold

    split = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
    folds = np.zeros(len(part), dtype=np.int64)
    for number, (_, held_out) in enumerate(split.split(np.zeros(len(part)), part.labels, part.groups)):
        folds[held_out] = number
    return folds


def joined(learning: sets.Learning) -> sets.Part:
    """Training and validation pictures as one."""
    parts = (learning.train, learning.val)
    return sets.Part(
        np.concatenate([part.tiles for part in parts]),
        np.concatenate([part.labels for part in parts]),
        tuple(group for part in parts for group in part.groups),
    )


def recipe(name: str, n_train: int, changes: dict[str, Any]) -> Any:
    """The product's own configuration for the set, with changes."""
    from benchmarks._training_quality import configuration
    from training.engine.config import TrainConfig

    return TrainConfig.from_dict({**configuration(name, n_train, seed=0).to_dict(), **changes})


def judge(learning: sets.Learning, held_out: npt.NDArray[np.bool_], config: Any) -> dict[str, float]:
    """Figures on the held-out pictures of a training on the others."""
    from benchmarks._training_quality import train
    from models_registry.inference.calibration import nll, softmax
    from models_registry.inference.metrics import macro_auroc

    part = joined(learning)
    seen, other = part.take(np.flatnonzero(~held_out)), part.take(np.flatnonzero(held_out))
    y, logits = other.labels, train(replace(learning, train=seen, val=other), config, None).val_logits
    right = logits.argmax(axis=1) == y
    auroc = macro_auroc(y, softmax(logits))
    return {
        "auroc": float("nan") if auroc is None else auroc,
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean([right[y == k].mean() for k in np.unique(y)])),
        "nll": nll(logits, y),
    }


def tried() -> list[dict[str, str]]:
    """Every configuration tried so far, the runs of the first research included."""
    with TRIED.open(newline="") as table:
        return list(csv.DictReader(table))


def _note(row: dict[str, Any]) -> None:
    with TRIED.open("a", newline="") as table:
        csv.DictWriter(table, COLUMNS, lineterminator="\n").writerow(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", choices=("pneumoniamnist", "xray", "xray_equalised"), required=True)
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(N_FOLDS)))
    parser.add_argument("--changes", type=json.loads, default={}, help="settings as JSON")
    parser.add_argument("--note", default="")
    given = parser.parse_args()
    learning = sets.pneumoniamnist(given.data) if given.set == "pneumoniamnist" else sets.xray(given.data)
    if given.set == "xray_equalised":
        learning = replace(learning, train=sets.equalised(learning.train), val=sets.equalised(learning.val))
    part = joined(learning)
    folds = cluster_folds(part) if given.set == "pneumoniamnist" else patient_folds(part)
    config = recipe(given.set, len(learning.train), given.changes)
    with watched() as watch:
        rows = [judge(learning, folds == number, config) for number in given.folds]
    means = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
    _note({
        "data": given.set,
        "judged_on": "held-out clusters" if given.set == "pneumoniamnist" else "patient-wise folds",
        "changes": json.dumps(given.changes, sort_keys=True),
        "folds": " ".join(map(str, given.folds)),
        **means,
        "cpu_seconds_a_fold": round(watch.cpu_seconds / len(rows)),
        "test_seen": "no",
        "note": given.note,
    })  # fmt: skip
    print(json.dumps({"changes": given.changes, **means, "each": rows, **watch.to_dict()}), flush=True)


if __name__ == "__main__":
    main()
