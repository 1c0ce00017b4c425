"""From the scans of a run to what its version knows of its own limits: see `models_registry.inference.knowing`.

Fitted on training scans and on mild views of them; limited on validation scans, which no network learned from, and on training
scans by a fit on the others. Outliers, where one is needed to tell postures apart or to measure, are made of these scans: no
foreign picture is used.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from models_registry.inference.knowing.detector import Eyes, Scores
from models_registry.inference.knowing.facts import FEATURES, LOOK, POSTURE, PREFIX, Knowing
from models_registry.inference.knowing.gauss import Gauss
from models_registry.inference.knowing.posture import INVERTED, PUT, Posture

from .data import Labels
from .material import Material, why_not
from .points import SEED, Points, points_of
from .shrunk import fit_gauss

Floats = npt.NDArray[np.float64]
Tensors = dict[str, Tensor]

# The shares of true scans, and of mildly changed ones, that may be referred for their distance.
TARGET, MILD_TARGET = 0.05, 0.1
FOLDS: Final = 5
# The turned pictures of scans that did not fit are told from upright ones at least this often, or training fixes no posture.
LEAST_TOLD: Final = 0.9


def fit_knowing(material: Material) -> tuple[Knowing, Tensors]:
    """The facts and the tensors for a bundle; facts with a reason, and no tensors, where there are too few scans. The same to
    the bit for the same input on the same machine."""
    reason = why_not(material)
    if reason:
        few = Knowing(
            reason, n=len(material.train), n_validation=len(material.val), smallest_side=material.smallest_side
        )
        return few, {}
    points = points_of(material)
    told = _told(points, _postures(any_angle=material.any_angle))
    eyes = _exact(_eyes(points, np.ones(len(points.scan), dtype=np.bool_), told))
    val, mild = (eyes.of(seen.features, seen.looks[0], seen.thumbs[0]) for seen in (points.val, points.mild))
    limits, widths = _limits([val, _cross_fitted(points, eyes)], mild)
    facts = _facts(material, points, eyes, limits, widths)
    return replace(facts, measured=_measured(facts, eyes, points, val, mild)), _tensors(eyes)


def _eyes(points: Points, chosen: npt.NDArray[np.bool_], postures: tuple[str, ...]) -> Eyes:
    look = points.train.looks[0, chosen]
    return Eyes(
        fit_gauss(points.train.features[chosen], points.labels[chosen]),
        fit_gauss(look, np.zeros(len(look), dtype=np.int64)),
        _posture(points.train.thumbs[:, chosen], postures),
        points.side,
        points.colour,
        points.any_angle,
    )


def _posture(thumbs: Floats, names: tuple[str, ...]) -> Posture | None:
    """Friedman, "Regularized Discriminant Analysis", 1989, with the shrinkage of Ledoit and Wolf."""
    if not names:
        return None
    parts = thumbs[[0, *(1 + list(PUT).index(name) for name in names)]]
    kind = np.repeat(np.arange(len(parts)), parts.shape[1])
    fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(parts.reshape(len(kind), -1), kind)
    weights, bias = np.asarray(fitted.coef_), np.asarray(fitted.intercept_)
    if len(names) == 1:
        return Posture(names, weights, bias)
    return Posture(names, weights[1:] - weights[0], bias[1:] - bias[0])


def _postures(*, any_angle: bool) -> tuple[str, ...]:
    """Those that may be a fault of a scan: none of a turned one where it may lie any way."""
    return (INVERTED,) if any_angle else tuple(PUT)


def _told(points: Points, names: tuple[str, ...]) -> tuple[str, ...]:
    """The postures that training fixes: which a fit without a scan tells from upright. Cells lie any way."""
    n, thumbs = _scans(points), points.train.thumbs
    fold, unchanged = _folds(n), _unchanged(points)
    upright, told = np.zeros((n, len(names))), np.zeros((n, len(names)))
    for part in range(FOLDS):
        held = np.flatnonzero(fold == part)
        fitted = _posture(thumbs[:, fold[points.scan] != part], names)
        if fitted is None:
            return ()
        upright[held] = fitted.odds(thumbs[0, unchanged[held]])
        for column, name in enumerate(names):
            turned = thumbs[1 + list(PUT).index(name), unchanged[held]]
            told[held, column] = fitted.odds(turned)[:, column]
    right = np.minimum((told > 0).mean(axis=0), (upright < 0).mean(axis=0))
    return tuple(name for name, share in zip(names, right, strict=True) if share >= LEAST_TOLD)


def _unchanged(points: Points) -> Labels:
    """Of each scan, where its picture as it is stands: before its views."""
    return np.unique(points.scan, return_index=True)[1]


def _scans(points: Points) -> int:
    return int(points.scan.max()) + 1


def _folds(n: int) -> Labels:
    return np.asarray(np.random.default_rng(SEED).permutation(n) % FOLDS, dtype=np.int64)


def _cross_fitted(points: Points, eyes: Eyes) -> Scores:
    """Of each training scan as it is, by a fit on the others."""
    names = eyes.posture.names if eyes.posture else ()
    n = _scans(points)
    fold, unchanged = _folds(n), _unchanged(points)
    found = Scores(np.zeros(n), np.zeros(n), np.zeros((n, len(names))))
    for part in range(FOLDS):
        held = np.flatnonzero(fold == part)
        fitted = _eyes(points, fold[points.scan] != part, names)
        where = unchanged[held]
        found.features[held] = fitted.features.distances(points.train.features[where])
        found.look[held] = fitted.look.distances(points.train.looks[0, where])
        if fitted.posture:
            found.odds[held] = fitted.posture.odds(points.train.thumbs[0, where])
    return found


def _limits(true: list[Scores], mild: Scores) -> tuple[dict[str, float], dict[str, float]]:
    """Limits and widths. The two distances get limits that are equally far out: so many standard deviations above the mean of
    their logarithms that no more than the targets are beyond any limit, of true scans and of their mild views. A posture is
    believed where no true scan has such odds."""
    known = {name: np.concatenate([scores.levels[name] for scores in true]) for name in mild.levels}
    mean = {name: float(values.mean()) for name, values in known.items()}
    width = {name: max(float(values.std()), 1e-3) for name, values in known.items()}
    turned = max(0.0, float(known[POSTURE].max())) if POSTURE in known else 0.0

    def outness(scores: Scores) -> Floats:
        return np.asarray(
            np.max([(scores.levels[name] - mean[name]) / width[name] for name in (FEATURES, LOOK)], axis=0)
        )

    least = _quantile(np.concatenate([outness(scores) for scores in true]), TARGET)
    far = max(least, _quantile(outness(mild), MILD_TARGET))
    limits = {name: float(np.exp(mean[name] + width[name] * far)) for name in (FEATURES, LOOK)}
    return ({**limits, POSTURE: turned} if POSTURE in known else limits), width


def _quantile(values: Floats, beyond: float) -> float:
    """What at most the share `beyond` of further scans of the same kind is expected to exceed (Vovk, Gammerman and Shafer,
    "Algorithmic Learning in a Random World", 2005)."""
    rank = min(int(np.ceil((len(values) + 1) * (1 - beyond))), len(values))
    return float(np.sort(values)[rank - 1])


def _exact(eyes: Eyes) -> Eyes:
    """As a bundle keeps it: limits are those of what serves."""

    def single(values: Floats) -> Floats:
        return values.astype(np.float32).astype(np.float64)

    def gauss(one: Gauss) -> Gauss:
        return Gauss(single(one.centre), single(one.scale), single(one.means), single(one.axes), one.rest)

    posture = eyes.posture
    kept = Posture(posture.names, single(posture.weights), single(posture.bias)) if posture else None
    return Eyes(gauss(eyes.features), gauss(eyes.look), kept, eyes.side, eyes.colour, eyes.any_angle)


def _tensors(eyes: Eyes) -> Tensors:
    arrays: dict[str, Floats] = {}
    for name, one in ((FEATURES, eyes.features), (LOOK, eyes.look)):
        parts = {"centre": one.centre, "scale": one.scale, "means": one.means, "axes": one.axes}
        arrays |= {f"{PREFIX}{name}/{part}": values for part, values in parts.items()}
    if eyes.posture:
        arrays |= {f"{PREFIX}{POSTURE}/weights": eyes.posture.weights, f"{PREFIX}{POSTURE}/bias": eyes.posture.bias}
    return {name: torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)) for name, values in arrays.items()}


def _facts(
    material: Material, points: Points, eyes: Eyes, limits: dict[str, float], widths: dict[str, float]
) -> Knowing:
    n = _scans(points)
    return Knowing(
        n=n,
        n_validation=len(points.val.features),
        n_views=len(points.scan) - n,
        dimension=points.train.features.shape[1],
        axes=len(eyes.features.axes),
        look_axes=len(eyes.look.axes),
        means=len(eyes.features.means),
        side=eyes.side,
        smallest_side=material.smallest_side,
        limits=limits,
        widths=widths,
        rests={FEATURES: eyes.features.rest, LOOK: eyes.look.rest},
        postures=eyes.posture.names if eyes.posture else (),
        colour=eyes.colour,
        any_angle=eyes.any_angle,
    )


def _measured(facts: Knowing, eyes: Eyes, points: Points, val: Scores, mild: Scores) -> dict[str, float]:
    """Shares that are referred: of validation scans and their mild views, of the same turned and inverted by the picture alone, of
    noise with their brightness."""
    known = {"validation": _beyond(facts, val), "mild": _beyond(facts, mild)}
    seen = points.val
    for place, name in enumerate(PUT, start=1):
        # Without the networks: they would only find more.
        scores = eyes.of(seen.features, seen.looks[place], seen.thumbs[place])
        known[name] = _beyond(facts, replace(scores, features=np.zeros(len(seen.features))))
    return {name: round(share, 4) for name, share in known.items()}


def _beyond(facts: Knowing, scores: Scores) -> float:
    return float((scores.ratios(facts) > 1).mean())
