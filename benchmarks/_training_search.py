"""Trying configurations, on training and validation pictures only: `python -m benchmarks._training_search --help`.

No test picture is ever read here. The validation pictures of PneumoniaMNIST come from the same patients as its training
pictures and no longer tell good recipes apart (AUROC .995 and more for all of them), so a recipe is judged on pictures
of another kind than those it learned from and chose its epoch on: training and validation pictures together are split
into clusters of similar exposure, position and size (k-means on principal components, labels unseen), and each cluster in
turn is held out. The radiographs have patients and are cross-validated by patient; BreastMNIST's near-copies stay on one
side; the cells name nobody and are split by class. A model of the radiographs is judged on half A of the second hospital, which
may choose recipes. Every trial becomes a line of `training_tried.csv`.
"""

import argparse
import csv
import json
import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _training_data as sets
from benchmarks import _training_more as more
from benchmarks._training_folds import Folds, cluster_folds, group_folds, with_copies
from benchmarks._training_machine import watched
from models_registry.inference.names import LEVELS_KEPT

TRIED = Path(__file__).with_name("training_tried.csv")
COLUMNS = (
    "data", "judged_on", "changes", "folds", "auroc", "accuracy", "balanced_accuracy", "nll", "cpu_seconds_a_fold",
    "test_seen", "note",
)  # fmt: skip
N_FOLDS, N_FOLDS_OF_FEW = 5, 3
# Share of the other pictures on which the epoch is chosen.
CHOOSING = 0.1
# Three parts say enough of these, or are what there is.
OF_FEW = (more.CELLS, more.BREAST, more.SECOND)
# How a trial is judged, by data set; lines without "epoch chosen on others" let the judging part choose the epoch too.
JUDGED_ON = {
    "pneumoniamnist": "held-out clusters; epoch chosen on others",
    "xray": "patient-wise folds; epoch chosen on others",
    "xray_equalised": "patient-wise folds; epoch chosen on others",
    more.CELLS: "3 stratified folds of training and validation; epoch chosen on others",
    more.BREAST: "3 folds by near-copies of training and validation; epoch chosen on others",
    more.SECOND: "half A of the second hospital; epoch chosen on others",
}
# Options that decide the pictures themselves, by data set: trials of one call must agree in them.
SEEN = {more.CELLS: ("sees", "image_size"), "xray": ("levels",), more.SECOND: ("levels",)}
# A model of these judges another set than that which it learns from.
LEARNED_FROM = {more.SECOND: "xray"}
# In place of folds, where a set's own split is kept; the parts that are asked for are then seeds.
LEARNED, CHOSEN_ON, JUDGED = 0, 1, 2


def joined(learning: sets.Learning) -> sets.Part:
    """Training and validation pictures as one."""
    parts = (learning.train, learning.val)
    return sets.Part(
        np.concatenate([part.tiles for part in parts]),
        np.concatenate([part.labels for part in parts]),
        tuple(group for part in parts for group in part.groups),
    )


@dataclass(frozen=True)
class Trial:
    """One configuration, as changes of the product's own for a data set, and the parts that are held out in turn."""

    name: str
    changes: dict[str, Any]
    folds: tuple[int, ...]
    device: str = "cpu"


@dataclass(frozen=True)
class Pool:
    """What is kept of a data set for a search: its pictures in a file of their own, so that every process can look into it
    (N, side, side), the part that each belongs to, and how many the product would train on."""

    name: str
    file: Path
    labels: sets.Labels
    folds: Folds
    n_train: int
    classes: tuple[str, ...]

    @classmethod
    def kept(cls, name: str, data: Path, file: Path, trials: Sequence[dict[str, Any]] = ()) -> "Pool":
        """The pool of a data set for such changes, its tiles written to `file`. Of cells all see the same, at one size."""
        from benchmarks._training_quality import seen_radiographs

        told = _agreed(name, trials)
        learning = _learning(name, data, told)
        part = joined(learning)
        folds = _folds(name, part, len(learning.train))
        if name == more.SECOND:
            judged = more.second_hospital(data, "a", seen_radiographs(_radiographs(told)))
            part = joined(replace(learning, train=part, val=judged))
            folds = np.concatenate([folds, np.full(len(judged), JUDGED)])
        np.save(file, part.tiles)
        return cls(name, file, part.labels, folds, len(learning.train), learning.classes)

    def split(self, number: int) -> tuple[sets.Learning, sets.Part]:
        """All pictures but those of one part to learn from and to choose the epoch on, and those to be judged on."""
        tiles = np.load(self.file, mmap_mode="r")
        if self.name == more.SECOND:
            sides = tuple(np.flatnonzero(self.folds == side) for side in (LEARNED, CHOSEN_ON, JUDGED))
        else:
            sides = self._held_out(number)
        # No patient is asked for: those of the judging part are apart, and which epoch is chosen decides little.
        train, val, judging = (sets.Part(np.asarray(tiles[i]), self.labels[i], ("",) * len(i)) for i in sides)
        return sets.Learning(train, val, self.classes), judging

    def _held_out(self, number: int) -> tuple[Folds, Folds, Folds]:
        """Positions of those to learn from, to choose the epoch on, and to be judged on."""
        others, rng = np.flatnonzero(self.folds != number), np.random.default_rng(number)
        choosing = np.concatenate([_some(rng, others[self.labels[others] == k]) for k in np.unique(self.labels)])
        return np.setdiff1d(others, choosing), np.sort(choosing), np.flatnonzero(self.folds == number)


def _agreed(name: str, trials: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all trials say of the pictures."""
    options = SEEN.get(name, ())
    if other := {option for changes in trials for option in changes if option in ("sees", "levels")} - set(options):
        raise SystemExit(f"The pictures of {name} cannot be searched by {', '.join(sorted(other))}.")
    each = [{option: changes[option] for option in options if option in changes} for changes in trials] or [{}]
    if any(one != each[0] for one in each):
        raise SystemExit(f"Trials of {name} in one call must agree in {' and '.join(options)}: call once for each.")
    return each[0]


def _learning(name: str, data: Path, told: dict[str, Any]) -> sets.Learning:
    from benchmarks._training_quality import learning_of, seen_by

    if name == more.CELLS:
        default = seen_by(name)
        return more.cells(data, sees=told.get("sees", default["sees"]), size=told.get("image_size", default["size"]))
    name = LEARNED_FROM.get(name, name)
    return learning_of(_radiographs(told) if name == "xray" else name, data)


def _radiographs(told: dict[str, Any]) -> str:
    """The set of radiographs whose levels are so."""
    from benchmarks._training_quality import XRAY, XRAY_LEVELS

    return XRAY if told.get("levels", LEVELS_KEPT) == LEVELS_KEPT else XRAY_LEVELS


def _folds(name: str, part: sets.Part, n_train: int) -> Folds:
    if name == more.SECOND:
        return np.where(np.arange(len(part)) < n_train, LEARNED, CHOSEN_ON)
    if name == "pneumoniamnist":
        return cluster_folds(part, N_FOLDS)
    if name in OF_FEW:
        return group_folds(with_copies(part) if name == more.BREAST else part, N_FOLDS_OF_FEW)
    return group_folds(part, N_FOLDS)


def _some(rng: np.random.Generator, index: Folds) -> Folds:
    """A share of them at random, at least one."""
    return rng.permutation(index)[: max(1, round(CHOOSING * len(index)))]


def recipe(pool: Pool, changes: dict[str, Any]) -> Any:
    """The product's own configuration for the set, with changes."""
    from benchmarks._training_quality import configuration
    from training.engine.config import TrainConfig

    name = LEARNED_FROM.get(pool.name, pool.name)
    return TrainConfig.from_dict({**configuration(name, pool.n_train, seed=0).to_dict(), **changes})


def judge(pool: Pool, changes: dict[str, Any], number: int, device: str) -> dict[str, float]:
    """Figures on the pictures of one part of a training on the others."""
    import torch

    from benchmarks._training_quality import train
    from models_registry.statistics.calibration import nll, softmax
    from models_registry.statistics.metrics import macro_auroc

    torch.set_num_threads(1)
    learning, judging = pool.split(number)
    with watched() as watch:
        config = recipe(pool, {"seed": number, **changes} if pool.name == more.SECOND else changes)
        done = train(learning, config, judging, device=device)
    y, logits = judging.labels, done.logits_of_test()
    right = logits.argmax(axis=1) == y
    auroc = macro_auroc(y, softmax(logits))
    return {
        "auroc": float("nan") if auroc is None else auroc,
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean([right[y == k].mean() for k in np.unique(y)])),
        "nll": nll(logits, y),
        "cpu_seconds_a_fold": watch.cpu_seconds,
    }


def search(pool: Pool, trials: Sequence[Trial], workers: int) -> Iterator[tuple[Trial, list[dict[str, float]]]]:
    """Each trial with the figures of its parts in their order, as soon as the last of them is there; `workers` trainings at a
    time, each in a process and on a thread of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as processes:
        asked = {
            processes.submit(judge, pool, trial.changes, number, trial.device): (index, number)
            for index, trial in enumerate(trials)
            for number in trial.folds
        }
        scores: list[dict[int, dict[str, float]]] = [{} for _ in trials]
        for future in as_completed(asked):
            index, number = asked[future]
            trial, figures = trials[index], scores[index]
            figures[number] = future.result()
            if len(figures) == len(trial.folds):
                yield trial, [figures[n] for n in trial.folds]


def row(trial: Trial, each: Sequence[dict[str, float]], note: str) -> dict[str, Any]:
    """The line of a trial in the list of all that was tried."""
    means = {name: round(float(np.mean([one[name] for one in each])), 4) for name in each[0]}
    return {
        "data": trial.name,
        "judged_on": JUDGED_ON[trial.name],
        "changes": json.dumps(trial.changes, sort_keys=True),
        "folds": " ".join(map(str, trial.folds)),
        **means,
        "cpu_seconds_a_fold": round(means["cpu_seconds_a_fold"]),
        "test_seen": "no",
        "note": "; ".join(filter(None, [note, "" if trial.device == "cpu" else "on a GPU"])),
    }


def tried() -> list[dict[str, str]]:
    """Every configuration tried so far, the runs of the first research included."""
    with TRIED.open(newline="") as table:
        return list(csv.DictReader(table))


def _note(line: dict[str, Any]) -> None:
    with TRIED.open("a", newline="") as table:
        csv.DictWriter(table, COLUMNS, lineterminator="\n").writerow(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", choices=JUDGED_ON, required=True)
    parser.add_argument("--folds", type=int, nargs="+", help="parts to hold out, or seeds; default: all of them")
    parser.add_argument(
        "--changes", type=json.loads, nargs="+", default=[{}], help="settings as JSON, one for each trial"
    )
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time, each on one thread")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--note", default="")
    given = parser.parse_args()
    folds = given.folds or range(N_FOLDS_OF_FEW if given.set in OF_FEW else N_FOLDS)
    trials = [Trial(given.set, changes, tuple(folds), given.device) for changes in given.changes]
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool.kept(given.set, given.data, Path(folder) / "tiles.npy", given.changes)
        for trial, each in search(pool, trials, given.workers):
            line = row(trial, each, given.note)
            _note(line)
            print(json.dumps({**line, "each": each}), flush=True)


if __name__ == "__main__":
    main()
