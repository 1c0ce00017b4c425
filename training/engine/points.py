"""What pictures are to the fit of a version's limits: numbers, never kept as pixels (see `knowing`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models_registry.inference.knowing import lowlevel
from models_registry.inference.knowing.posture import PUT
from models_registry.inference.knowing.views import kinds_of, views
from models_registry.inference.names import TILE_SIDE
from models_registry.inference.preprocess import Pixels

from .data import Labels
from .material import Material

Floats = npt.NDArray[np.float64]
SEED: Final = 31
# Of pictures in memory at a time. All that pass (`MOST_POINTS`) where they are no larger than tiles.
BLOCK_BYTES, TILES_BYTES = 64_000_000, 200_000_000


@dataclass(frozen=True)
class Seen:
    """What is kept of pictures: what the networks read (N, D), and what they look like (1, N, W) and coarsely (1, N, T), or as they
    are and then in each posture of PUT (1 + P, …)."""

    features: Floats
    looks: Floats
    thumbs: Floats


@dataclass(frozen=True)
class Points:
    """Training pictures, changed views of them included, with the number of the scan that each shows; validation scans and
    views of these. `side`: pixels a side of what is looked at without a network; `colour`: also at its colours; `any_angle`: at
    it turned by each right angle."""

    train: Seen
    labels: Labels
    scan: Labels
    val: Seen
    mild: Seen
    side: int
    colour: bool
    any_angle: bool


def points_of(material: Material) -> Points:
    kinds = kinds_of(
        mirrored=material.mirrored,
        coloured=material.colour,
        any_angle=material.any_angle,
        equalised=material.equalised,
    )
    # Half of what may pass is unchanged, at most; the scans that are left out then are many and alike.
    chosen = _some(len(material.train), material.points // 2)
    rounds = int(np.clip(material.points // len(chosen) - 1, 1, len(kinds)))
    val = _some(len(material.val), material.points // 4)
    some = val[_some(len(val), material.points // 4 // len(kinds))]
    look = _Look(material, lowlevel.side_for(material.train.shape[1]))
    train, scans = [], []
    for number, block in enumerate(_blocks(np.arange(len(chosen)), material, rounds + 1)):
        pixels = material.train[chosen[block]]
        changed = views(pixels, rounds, SEED + 2 * number, kinds)
        train.append(look.at(np.concatenate([pixels, changed]), turned_thumbs=True))
        scans.append(np.tile(block, rounds + 1))
    known = [look.at(material.val[block], turned_thumbs=True, turned_looks=True) for block in _blocks(val, material, 1)]
    mild = [
        look.at(views(material.val[block], len(kinds), SEED + 1 + 2 * number, kinds))
        for number, block in enumerate(_blocks(some, material, len(kinds)))
    ]
    scan = np.concatenate(scans)
    labels = material.labels[chosen][scan]
    seen = _joined(train), labels, scan, _joined(known), _joined(mild)
    return Points(*seen, look.side, material.colour, material.any_angle)


def _blocks(positions: Labels, material: Material, times: int) -> list[Labels]:
    """Positions a few at a time: of each there are so many pictures in memory."""
    taken = int(np.prod(material.train.shape[1:]))
    most = max(1, (BLOCK_BYTES if taken > TILE_SIDE**2 else TILES_BYTES) // (times * taken))
    return [positions[start : start + most] for start in range(0, len(positions), most)]


@dataclass(frozen=True)
class _Look:
    """Looks at pictures with the networks and without, and keeps numbers alone."""

    material: Material
    side: int

    def at(self, pixels: Pixels, *, turned_thumbs: bool = False, turned_looks: bool = False) -> Seen:
        seen = [lowlevel.unit(pixels, self.side)]
        if turned_thumbs:
            seen += [lowlevel.unit(put(pixels), self.side) for put in PUT.values()]
        described = seen if turned_looks else seen[:1]
        return Seen(
            np.asarray(self.material.features(pixels), dtype=np.float64),
            np.stack([self.described(pictures) for pictures in described]),
            np.stack([lowlevel.thumbs(pictures, any_angle=self.material.any_angle) for pictures in seen]),
        )

    def described(self, pictures: Floats) -> Floats:
        return lowlevel.describe(pictures, colour=self.material.colour, any_angle=self.material.any_angle)


def _joined(parts: list[Seen]) -> Seen:
    return Seen(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.looks for part in parts], axis=1),
        np.concatenate([part.thumbs for part in parts], axis=1),
    )


def _some(n: int, most: int) -> Labels:
    """Positions of at most `most` of n, spread evenly by chance, in rising order."""
    if n <= max(1, most):
        return np.arange(n)
    return np.sort(np.random.default_rng(SEED).permutation(n)[: max(1, most)])
