"""Whether colour tells the classes of some scans apart better than grey does. Loads no PyTorch: a page asks it too.

Two ridge classifiers, one given grey and one colour, are cross-validated by patient on small pictures. Of a picture they are given
its pixels, and the levels that it holds wherever they lie: what colours there are counts, not only where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# uint8 (N, SIDE, SIDE, 3)
Pictures = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
SIDE = 32
FOLDS, REPEATS = 5, 2
# Fewer patients than this in a class, and nothing can be held out.
FEWEST = FOLDS
# Mean distance between the strongest and the weakest channel, of 255, from which a picture counts as coloured: above what JPEG
# leaves of grey, and above a colour bar or a coloured caption on a grey scan.
COLOURED = 4.0
# How many of the levels of a channel are looked at, from the darkest to the brightest pixel.
_LEVELS = 32
_RIDGES = (1e-2, 1e-1, 1.0, 10.0)
_GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Telling:
    """Cross-validated balanced accuracies, and the standard error of their difference, patients being what is drawn."""

    grey: float
    colour: float
    error: float
    scans: int

    @property
    def gain(self) -> float:
        return self.colour - self.grey


def coloured(pictures: Pictures) -> npt.NDArray[np.bool_]:
    """Which of the pictures have colour."""
    wide = pictures.astype(np.int16)
    chroma: npt.NDArray[np.bool_] = (wide.max(axis=3) - wide.min(axis=3)).mean(axis=(1, 2)) >= COLOURED
    return chroma


def compare(pictures: Pictures, labels: npt.NDArray[np.int64], groups: Sequence[str]) -> Telling | None:
    """None where a class has too few patients to hold any of them out, or there is one class alone."""
    classes, y = np.unique(labels, return_inverse=True)
    _, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(classes) < 2 or min(len(np.unique(group[y == one])) for one in range(len(classes))) < FEWEST:
        return None
    folds = [_folds(y, group, seed) for seed in range(REPEATS)]
    grey, colour = (
        np.mean([_right(kernel, y, fold) for fold in folds], axis=0) for kernel in _kernels(pictures.astype(np.float64))
    )
    share = 1 / (len(classes) * np.bincount(y)[y])
    return Telling(
        round(float((share * grey).sum()), 3),
        round(float((share * colour).sum()), 3),
        round(_error(colour - grey, share, y, group), 3),
        len(y),
    )


def _kernels(pictures: Floats) -> tuple[Floats, Floats]:
    grey = pictures @ _GREY
    red, green, blue = (pictures[..., channel] for channel in range(3))
    return _kernel(pictures, [grey], [grey]), _kernel(
        pictures, [red, green, blue], [red, green, blue, red - green, blue - green]
    )


def _kernel(pictures: Floats, seen: list[Floats], counted: list[Floats]) -> Floats:
    """How alike the pictures are by pixels and by levels, with as much weight each, and a constant."""
    count = len(pictures)
    step = SIDE * SIDE // _LEVELS
    pixels = np.concatenate([channel.reshape(count, -1) for channel in seen], axis=1)
    levels = np.concatenate([np.sort(one.reshape(count, -1), axis=1)[:, step // 2 :: step] for one in counted], axis=1)
    alike: Floats = (_gram(pixels) + _gram(levels)) / 2 + 1
    return alike


def _gram(features: Floats) -> Floats:
    centred = features - features.mean(axis=0)
    product = centred @ centred.T
    scaled: Floats = product / max(float(np.trace(product)) / len(product), 1e-12)
    return scaled


def _folds(y: npt.NDArray[np.int64], group: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """The fold of each scan: whole groups, those of each class dealt out evenly."""
    random = np.random.default_rng(seed)
    names, first = np.unique(group, return_index=True)
    side = np.zeros(len(names), dtype=np.int64)
    for one in np.unique(y):
        own = random.permutation(np.flatnonzero(y[first] == one))
        side[own] = (np.arange(len(own)) + random.integers(FOLDS)) % FOLDS
    return side[group]


def _right(kernel: Floats, y: npt.NDArray[np.int64], fold: npt.NDArray[np.int64]) -> Floats:
    """1 for each scan that is told right by what was fitted on the other folds, else 0."""
    right = np.zeros(len(y))
    for number in range(FOLDS):
        held, rest = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        said = kernel[np.ix_(held, rest)] @ _fitted(kernel[np.ix_(rest, rest)], y[rest], int(y.max()) + 1)
        right[held] = said.argmax(axis=1) == y[held]
    return right


def _fitted(kernel: Floats, y: npt.NDArray[np.int64], classes: int) -> Floats:
    """Coefficients (N, classes) of a ridge in which every class weighs the same, as strong as leaving one out wants it."""
    counts = np.bincount(y, minlength=classes).clip(1)
    root = np.sqrt(len(y) / (classes * counts[y]))
    target = root[:, None] * (np.eye(classes)[y] - 1 / classes)
    weighted = root[:, None] * kernel * root
    best: tuple[float, Floats] = (np.inf, target)
    for ridge in _RIDGES:
        inverse = np.linalg.inv(weighted + ridge * np.eye(len(y)))
        found = inverse @ target
        left_out = float(np.square(found / np.diag(inverse)[:, None]).sum())
        if left_out < best[0]:
            best = left_out, found
    coefficients: Floats = root[:, None] * best[1]
    return coefficients


def _error(difference: Floats, share: Floats, y: npt.NDArray[np.int64], group: npt.NDArray[np.int64]) -> float:
    """Of a mean over classes, where groups are drawn."""
    means = np.bincount(y, weights=difference) / np.bincount(y)
    parts = np.bincount(group, weights=share * (difference - means[y]))
    return float(np.sqrt(np.square(parts).sum()))
