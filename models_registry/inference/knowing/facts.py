"""What a bundle says about its knowledge of its own limits: the numbers beside the tensors, as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from . import lowlevel
from .posture import PUT

PREFIX: Final = "knowing/"
# What the networks read, what the picture looks like without them, and which way up it is.
FEATURES, LOOK, POSTURE = "features", "look", "posture"
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Knowing:
    """From which raw distance on each sight refers a scan, or `reason` why the version cannot tell (there are no limits).

    `n`, `n_validation`, `n_views`: training and validation scans and changed views of them that it was fitted on. `dimension`
    and `axes`: of the features' `Gauss`; `look_axes`: of the other one; `means`: classes. `side`: pixels a side of what is
    looked at without a network. `smallest_side`: the shortest side in pixels of any scan that it learned from; 0: not known.
    `limits`: raw scores from which on a scan is referred; `widths`: how far true scans spread about theirs (see `Scores`);
    `rests`: of the two `Gauss`. `postures`: those that the training tells from upright, in the order of their tensors.
    `colour`: whether it looks at colours, too; `any_angle`: at a scan turned by each right angle.
    `measured`: shares (0..1) referred of validation scans, of their mild views, and of the same in other postures.
    """

    reason: str = ""
    n: int = 0
    n_validation: int = 0
    n_views: int = 0
    dimension: int = 0
    axes: int = 0
    look_axes: int = 0
    means: int = 0
    side: int = 0
    smallest_side: int = 0
    limits: Mapping[str, float] = field(default_factory=dict)
    widths: Mapping[str, float] = field(default_factory=dict)
    rests: Mapping[str, float] = field(default_factory=dict)
    postures: tuple[str, ...] = ()
    measured: Mapping[str, float] = field(default_factory=dict)
    colour: bool = False
    any_angle: bool = False

    def __post_init__(self) -> None:
        if bool(self.reason) == bool(self.limits):
            raise ValueError("knowing must have limits, or the reason why there are none")
        if not self.limits:
            return
        sights = {FEATURES, LOOK, POSTURE} if self.postures else {FEATURES, LOOK}
        if set(self.limits) != sights or set(self.widths) != sights or set(self.rests) != {FEATURES, LOOK}:
            raise ValueError(f"knowing.limits, widths and rests must be of {', '.join(sorted(sights))}")
        numbers = (self.limits[FEATURES], self.limits[LOOK], *self.widths.values(), *self.rests.values())
        if not all(math.isfinite(value) and value > 0 for value in numbers) or not all(
            map(math.isfinite, self.limits.values())
        ):
            raise ValueError("knowing.limits, widths and rests must be positive and finite")
        if min(self.dimension, self.means, self.side) < 1 or min(self.axes, self.look_axes) < 0:
            raise ValueError("knowing: dimension, means and side must be positive")
        if not set(self.postures) <= set(PUT):
            raise ValueError(f"knowing.postures must be of {', '.join(PUT)}")

    @property
    def available(self) -> bool:
        return bool(self.limits)

    @property
    def shapes(self) -> dict[str, Shape]:
        """The tensors that belong to it, by their names in the bundle; all float32."""
        if not self.available:
            return {}
        seen = lowlevel.width(colour=self.colour)
        found = {**_gauss(FEATURES, self.dimension, self.means, self.axes), **_gauss(LOOK, seen, 1, self.look_axes)}
        if self.postures:
            rows = len(self.postures)
            found |= {
                f"{PREFIX}{POSTURE}/weights": (rows, lowlevel.THUMB * lowlevel.THUMB),
                f"{PREFIX}{POSTURE}/bias": (rows,),
            }
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types only. Colours and angles are mentioned where they are looked at."""
        told = {**asdict(self), "postures": list(self.postures)}
        return {name: value for name, value in told.items() if name not in _SIGHTS or value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Knowing:
        """Inverse of `to_dict`; `ValueError` when something is missing or wrong."""
        try:
            values: dict[str, Any] = {name: int(data[name]) for name in _COUNTS}
            values |= {name: {str(k): float(v) for k, v in data[name].items()} for name in _MAPS}
            values |= {name: _yes(data, name) for name in _SIGHTS}
            return cls(str(data["reason"]), postures=tuple(map(str, data["postures"])), **values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"knowing is incomplete: {error}") from error


def _yes(data: Mapping[str, Any], name: str) -> bool:
    said = data.get(name, False)
    if not isinstance(said, bool):
        raise TypeError(f"{name} must be true or false")
    return said


_SIGHTS: Final = ("colour", "any_angle")
_MAPS: Final = ("limits", "widths", "rests", "measured")
_COUNTS: Final = (
    "n", "n_validation", "n_views", "dimension", "axes", "look_axes", "means", "side", "smallest_side",
)  # fmt: skip


def _gauss(name: str, dimension: int, means: int, axes: int) -> dict[str, Shape]:
    head = f"{PREFIX}{name}/"
    return {
        f"{head}centre": (dimension,),
        f"{head}scale": (dimension,),
        f"{head}means": (means, dimension),
        f"{head}axes": (axes, dimension),
    }
