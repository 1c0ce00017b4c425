"""How far scans lie from what a version has learned, and in which way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from models_registry.inference.preprocess import Pixels, shrink

from . import lowlevel
from .facts import FEATURES, LOOK, POSTURE, PREFIX, Knowing
from .gauss import Gauss
from .posture import BACK, Posture

Floats = npt.NDArray[np.float64]
LEAST: Final = 1e-6
# Spreads beyond which nothing becomes clearer.
MOST: Final = 12.0


@dataclass(frozen=True)
class Resemblance:
    """Of each scan (N,): `distances` as a share of the limit from which on it is referred, and the name of the posture that it
    seems to have, empty for upright and for what is foreign however it is turned."""

    distances: Floats
    postures: tuple[str, ...]


@dataclass(frozen=True)
class Scores:
    """Raw distances (N,) of the features and of the look, and the log odds (N, P) of the postures (P may be 0)."""

    features: Floats
    look: Floats
    odds: Floats

    @property
    def levels(self) -> dict[str, Floats]:
        """What limits hold for, on a scale on which true scans spread evenly: (N,) by sight."""
        found = {FEATURES: np.log(np.maximum(self.features, LEAST)), LOOK: np.log(np.maximum(self.look, LEAST))}
        return {**found, POSTURE: self.odds.max(axis=1)} if self.odds.shape[1] else found

    def ratios(self, facts: Knowing) -> Floats:
        """The largest share (N,) of a limit: e where a scan lies one spread of true scans beyond it."""
        limits = {name: limit if name == POSTURE else math.log(limit) for name, limit in facts.limits.items()}
        beyond = [(level - limits[name]) / facts.widths[name] for name, level in self.levels.items()]
        return np.asarray(np.exp(np.clip(np.max(beyond, axis=0), -MOST, MOST)))


@dataclass(frozen=True)
class Eyes:
    """What looks at a scan: two Gaussians, and the postures that the training tells apart. `colour`: also at its colours;
    `any_angle`: at it turned by each right angle."""

    features: Gauss
    look: Gauss
    posture: Posture | None
    side: int
    colour: bool = False
    any_angle: bool = False

    def scores(self, features: npt.ArrayLike, pixels: Pixels) -> Scores:
        """Pooled features (N, D) of `Pixels` as the network sees them."""
        pictures = lowlevel.unit(pixels, self.side)
        return self.of(features, self._described(pictures), lowlevel.thumbs(pictures, any_angle=self.any_angle))

    def of(self, features: npt.ArrayLike, look: Floats, thumbs: Floats) -> Scores:
        """The same from what `lowlevel` says of these pictures."""
        odds = self.posture.odds(thumbs) if self.posture else np.zeros((len(look), 0))
        return Scores(self.features.distances(features), self.look.distances(look), odds)

    def looks(self, pixels: Pixels) -> Floats:
        """The distances (N,) of the look alone."""
        pictures = lowlevel.unit(pixels, self.side)
        return self.look.distances(self._described(pictures))

    def _described(self, pictures: Floats) -> Floats:
        return lowlevel.describe(pictures, colour=self.colour, any_angle=self.any_angle)


class Detector:
    """Ready to judge; made of the facts and the tensors of a bundle."""

    def __init__(self, facts: Knowing, eyes: Eyes, size: int) -> None:
        self.facts, self._eyes, self._size = facts, eyes, size

    @classmethod
    def of(cls, facts: Knowing, state: Mapping[str, Tensor], size: int) -> Detector:
        """`state`: tensors of the names in `facts.shapes`. `size`: pixels a side of what the network sees."""
        arrays = {name: state[name].double().numpy() for name in facts.shapes}

        def gauss(name: str) -> Gauss:
            centre, scale, means, axes = (
                arrays[f"{PREFIX}{name}/{part}"] for part in ("centre", "scale", "means", "axes")
            )
            return Gauss(centre, scale, means, axes, facts.rests[name])

        posture = None
        if facts.postures:
            head = f"{PREFIX}{POSTURE}/"
            posture = Posture(facts.postures, arrays[f"{head}weights"], arrays[f"{head}bias"])
        return cls(facts, Eyes(gauss(FEATURES), gauss(LOOK), posture, facts.side, facts.colour, facts.any_angle), size)

    def scores(self, features: npt.ArrayLike, tiles: Pixels) -> Scores:
        """Features (N, D) of tiles uint8 (N, 256, 256), or of `Pixels`."""
        return self._eyes.scores(features, shrink(tiles, self._size))

    def judge(self, features: npt.ArrayLike, tiles: Pixels) -> Resemblance:
        """Features (N, D) of tiles uint8 (N, 256, 256), or of `Pixels`."""
        small = shrink(tiles, self._size)
        scores = self._eyes.scores(features, small)
        ratios = scores.ratios(self.facts)
        names = [self._posture(scores.odds[i], small[i : i + 1]) if ratios[i] > 1 else "" for i in range(len(small))]
        return Resemblance(ratios, tuple(names))

    def _posture(self, odds: Floats, tile: Pixels) -> str:
        """A turned film looks like the others once it is turned back; a photograph does not."""
        if not len(odds) or odds.max() <= self.facts.limits[POSTURE]:
            return ""
        name = self.facts.postures[int(odds.argmax())]
        return name if self._eyes.looks(BACK[name](tile))[0] <= self.facts.limits[LOOK] else ""
