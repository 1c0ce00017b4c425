"""From the scans of a run to what its version knows of its own limits: see `models_registry.inference.knowing`.

Fitted on training scans and on mild views of them; limited on validation scans, which no network learned from, and on training
scans by a fit on the others. Outliers, where one is needed to tell postures apart or to measure, are made of these scans: no
foreign picture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from models_registry.inference.knowing import lowlevel
from models_registry.inference.knowing.detector import Detector, Eyes, Scores
from models_registry.inference.knowing.facts import FEATURES, LOOK, POSTURE, PREFIX, Knowing
from models_registry.inference.knowing.gauss import Gauss
from models_registry.inference.knowing.posture import PUT, Posture
from models_registry.inference.knowing.views import kinds_of, views
from models_registry.inference.preprocess import Tiles

from .data import Labels
from .shrunk import fit_gauss

Floats = npt.NDArray[np.float64]
Features = Callable[[Tiles], npt.NDArray[np.float32]]
Tensors = dict[str, Tensor]

MIN_TRAINING: Final = 100
MIN_VALIDATION: Final = 10
# The shares of true scans, and of mildly changed ones, that may be referred for their distance.
TARGET, MILD_TARGET = 0.05, 0.1
# Pictures that pass through the networks for it, at most; and as a share of those that the training passes through.
MOST_POINTS: Final = 3000
SHARE_OF_TRAINING: Final = 0.1
FOLDS: Final = 5
# The turned pictures of scans that did not fit are told from upright ones at least this often, or training fixes no posture.
LEAST_TOLD: Final = 0.9
SEED: Final = 31


@dataclass(frozen=True)
class Material:
    """Tiles uint8 (N, S, S) as the network sees them, and the class (N,) of each training one; `features` gives what the
    networks read from tiles. `mirrored`: whether a mirror image is still the same kind of scan. `points`: about how many
    pictures may pass through the networks. `smallest_side`: in pixels, of the scans as they came in; 0: not known."""

    train: Tiles
    labels: Labels
    val: Tiles
    features: Features
    mirrored: bool
    points: int = MOST_POINTS
    smallest_side: int = 0


def points_for(scans: int, epochs: int) -> int:
    """How many pictures may pass: training passes each scan in every epoch, there and back, which takes about three times as
    long as there alone."""
    return int(min(MOST_POINTS, max(2 * scans, SHARE_OF_TRAINING * 3 * scans * epochs)))


def why_not(material: Material) -> str:
    """Why nothing can be said of limits; empty where it can."""
    for tiles, least, name in ((material.train, MIN_TRAINING, "training"), (material.val, MIN_VALIDATION, "validation")):
        if len(tiles) < least:
            return f"only {len(tiles)} {name} scans, at least {least} are needed to tell what a scan must look like"
    return ""


def fit_knowing(material: Material) -> tuple[Knowing, Tensors]:
    """The facts and the tensors for a bundle; facts with a reason, and no tensors, where there are too few scans. The same to
    the bit for the same input on the same machine."""
    reason = why_not(material)
    if reason:
        few = Knowing(reason, n=len(material.train), n_validation=len(material.val), smallest_side=material.smallest_side)
        return few, {}
    points = _points(material)
    eyes = _exact(_eyes(points, np.ones(len(points.scan), dtype=np.bool_), _told(points)))
    val = eyes.scores(points.val_features, points.val)
    mild = eyes.scores(points.mild_features, points.mild)
    limits = _limits([val, _cross_fitted(points, eyes)], mild)
    facts = _facts(material, points, eyes, limits)
    return replace(facts, measured=_measured(facts, eyes, points, val, mild)), _tensors(eyes)


@dataclass(frozen=True)
class _Points:
    """Training pictures, changed views of them included, with the number of the scan that each shows; validation scans and
    views of these."""

    tiles: Tiles
    features: Floats
    labels: Labels
    scan: Labels
    val: Tiles
    val_features: Floats
    mild: Tiles
    mild_features: Floats


def _points(material: Material) -> _Points:
    kinds = kinds_of(mirrored=material.mirrored)
    # Half of what may pass is unchanged, at most; the scans that are left out then are many and alike.
    chosen = _some(len(material.train), material.points // 2)
    train, labels = material.train[chosen], material.labels[chosen]
    rounds = int(np.clip(material.points // len(train) - 1, 1, len(kinds)))
    tiles = np.concatenate([train, views(train, rounds, SEED, kinds)])
    val = material.val[_some(len(material.val), material.points // 4)]
    some = val[_some(len(val), material.points // 4 // len(kinds))]
    mild = views(some, len(kinds), SEED + 1, kinds)

    def read(pictures: Tiles) -> Floats:
        return np.asarray(material.features(pictures), dtype=np.float64)

    again = rounds + 1
    scan = np.tile(np.arange(len(train)), again)
    return _Points(tiles, read(tiles), np.tile(labels, again), scan, val, read(val), mild, read(mild))


def _some(n: int, most: int) -> Labels:
    """Positions of at most `most` of n, spread evenly by chance, in rising order."""
    if n <= max(1, most):
        return np.arange(n)
    return np.sort(np.random.default_rng(SEED).permutation(n)[: max(1, most)])


def _eyes(points: _Points, chosen: npt.NDArray[np.bool_], postures: tuple[str, ...]) -> Eyes:
    tiles = points.tiles[chosen]
    side = lowlevel.side_for(tiles.shape[1])
    look = lowlevel.describe(lowlevel.unit(tiles, side))
    return Eyes(
        fit_gauss(points.features[chosen], points.labels[chosen]),
        fit_gauss(look, np.zeros(len(look), dtype=np.int64)),
        _posture(tiles, side, postures),
        side,
    )


def _thumbs(tiles: Tiles, side: int) -> Floats:
    return lowlevel.thumbs(lowlevel.unit(tiles, side))


def _posture(tiles: Tiles, side: int, names: tuple[str, ...]) -> Posture | None:
    """Friedman, "Regularized Discriminant Analysis", 1989, with the shrinkage of Ledoit and Wolf."""
    if not names:
        return None
    parts = [_thumbs(tiles, side), *(_thumbs(PUT[name](tiles), side) for name in names)]
    kind = np.repeat(np.arange(len(parts)), len(tiles))
    fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(np.concatenate(parts), kind)
    weights, bias = np.asarray(fitted.coef_), np.asarray(fitted.intercept_)
    if len(names) == 1:
        return Posture(names, weights, bias)
    return Posture(names, weights[1:] - weights[0], bias[1:] - bias[0])


def _told(points: _Points) -> tuple[str, ...]:
    """The postures that training fixes: which a fit without a scan tells from upright. Cells lie any way."""
    side = lowlevel.side_for(points.tiles.shape[1])
    names, n = tuple(PUT), int(points.scan.max()) + 1
    fold = _folds(n)
    upright, told = np.zeros((n, len(names))), np.zeros((n, len(names)))
    for part in range(FOLDS):
        held = np.flatnonzero(fold == part)
        fitted = _posture(points.tiles[fold[points.scan] != part], side, names)
        if fitted is None:
            return ()
        upright[held] = fitted.odds(_thumbs(points.tiles[held], side))
        for column, name in enumerate(names):
            told[held, column] = fitted.odds(_thumbs(PUT[name](points.tiles[held]), side))[:, column]
    right = np.minimum((told > 0).mean(axis=0), (upright < 0).mean(axis=0))
    return tuple(name for name, share in zip(names, right, strict=True) if share >= LEAST_TOLD)


def _folds(n: int) -> Labels:
    return np.asarray(np.random.default_rng(SEED).permutation(n) % FOLDS, dtype=np.int64)


def _cross_fitted(points: _Points, eyes: Eyes) -> Scores:
    """Of each training scan as it is, by a fit on the others."""
    names = eyes.posture.names if eyes.posture else ()
    n = int(points.scan.max()) + 1
    fold = _folds(n)
    found = Scores(np.zeros(n), np.zeros(n), np.zeros((n, len(names))))
    for part in range(FOLDS):
        held = np.flatnonzero(fold == part)
        scores = _eyes(points, fold[points.scan] != part, names).scores(points.features[held], points.tiles[held])
        found.features[held], found.look[held], found.odds[held] = scores.features, scores.look, scores.odds
    return found


def _limits(true: list[Scores], mild: Scores) -> dict[str, float]:
    """One limit for each raw distance, all equally far out: so many standard deviations of its logarithm above its mean that
    no more than the target is beyond any of them, a scan that seems turned included."""
    logs = {name: np.concatenate([np.log(_raw(scores, name)) for scores in true]) for name in (FEATURES, LOOK)}
    mean = {name: float(values.mean()) for name, values in logs.items()}
    width = {name: max(float(values.std()), 1e-3) for name, values in logs.items()}

    def outness(scores: Scores) -> Floats:
        parts = [(np.log(_raw(scores, name)) - mean[name]) / width[name] for name in (FEATURES, LOOK)]
        turned = scores.odds.max(axis=1, initial=-np.inf) > 0
        return np.where(turned, np.inf, np.max(parts, axis=0))

    least = _quantile(np.concatenate([outness(scores) for scores in true]), TARGET)
    far = max(least, _quantile(outness(mild), MILD_TARGET))
    return {name: float(np.exp(mean[name] + width[name] * far)) for name in (FEATURES, LOOK)}


def _raw(scores: Scores, name: str) -> Floats:
    return np.maximum(scores.features if name == FEATURES else scores.look, 1e-6)


def _quantile(values: Floats, beyond: float) -> float:
    """What at most the share `beyond` of further scans of the same kind exceeds (Vovk et al., conformal prediction); the largest
    finite value where more than that share has none."""
    ordered = np.sort(values)
    rank = min(int(np.ceil((len(values) + 1) * (1 - beyond))), len(values)) - 1
    finite = ordered[np.isfinite(ordered)]
    return float(min(ordered[rank], finite[-1]))


def _exact(eyes: Eyes) -> Eyes:
    """As a bundle keeps it: limits are those of what serves."""

    def single(values: Floats) -> Floats:
        return values.astype(np.float32).astype(np.float64)

    def gauss(one: Gauss) -> Gauss:
        return Gauss(single(one.centre), single(one.scale), single(one.means), single(one.axes), one.rest)

    posture = eyes.posture
    kept = Posture(posture.names, single(posture.weights), single(posture.bias)) if posture else None
    return Eyes(gauss(eyes.features), gauss(eyes.look), kept, eyes.side)


def _tensors(eyes: Eyes) -> Tensors:
    arrays: dict[str, Floats] = {}
    for name, one in ((FEATURES, eyes.features), (LOOK, eyes.look)):
        parts = {"centre": one.centre, "scale": one.scale, "means": one.means, "axes": one.axes}
        arrays |= {f"{PREFIX}{name}/{part}": values for part, values in parts.items()}
    if eyes.posture:
        arrays |= {f"{PREFIX}{POSTURE}/weights": eyes.posture.weights, f"{PREFIX}{POSTURE}/bias": eyes.posture.bias}
    return {name: torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)) for name, values in arrays.items()}


def _facts(material: Material, points: _Points, eyes: Eyes, limits: Mapping[str, float]) -> Knowing:
    n = int(points.scan.max()) + 1
    return Knowing(
        n=n,
        n_validation=len(points.val),
        n_views=len(points.tiles) - n,
        dimension=points.features.shape[1],
        axes=len(eyes.features.axes),
        look_axes=len(eyes.look.axes),
        means=len(eyes.features.means),
        side=eyes.side,
        smallest_side=material.smallest_side,
        limits=dict(limits),
        rests={FEATURES: eyes.features.rest, LOOK: eyes.look.rest},
        postures=eyes.posture.names if eyes.posture else (),
    )


def _measured(facts: Knowing, eyes: Eyes, points: _Points, val: Scores, mild: Scores) -> dict[str, float]:
    """Shares that are referred: of validation scans and their mild views, of the same turned and inverted by the picture alone, of
    noise with their brightness."""
    known = {"validation": _beyond(facts, val), "mild": _beyond(facts, mild)}
    for name, put in PUT.items():
        turned = put(points.val)
        # Without the networks: they would only find more.
        scores = replace(eyes.scores(points.val_features, turned), features=np.zeros(len(turned)))
        known[name] = _beyond(facts, scores)
    return {name: round(share, 4) for name, share in known.items()}


def _beyond(facts: Knowing, scores: Scores) -> float:
    return float((scores.ratios(facts.limits) > 1).mean())


__all__ = ["Detector", "Material", "fit_knowing", "points_for", "why_not"]
