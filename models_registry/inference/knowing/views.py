"""Views of a scan that show nothing else than the scan: what a detector of foreign pictures must not mind."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models_registry.inference.preprocess import Pixels, planes

Change = Callable[..., Tensor]

# The least of each side that a crop leaves, the largest turn, and how far contrast and gamma go. Those of a film that was
# taken, scanned or cut out a little differently, not of another examination.
CROP_TO: Final = 0.78
TURN: Final = math.radians(7)
CONTRAST: Final = math.log(1.45)
GAMMA: Final = 0.3
# How much brighter or darker each colour may be by itself: another lamp or camera, not another stain.
TINT: Final = 0.06


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(n, generator=generator) * (high - low) + low).view(n, 1, 1, 1)


def _sampled(x: Tensor, theta: Tensor, padding: str) -> Tensor:
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def _crop(x: Tensor, generator: torch.Generator) -> Tensor:
    n = len(x)
    side = _uniform(n, CROP_TO, 1, generator).view(n)
    room = 1 - side
    across, down = (_uniform(n, -1, 1, generator).view(n) * room * 0.5 for _ in range(2))
    zero = torch.zeros(n)
    theta = torch.stack((torch.stack((side, zero, across), 1), torch.stack((zero, side, down), 1)), 1)
    return _sampled(x, theta, "border")


def _turn(x: Tensor, generator: torch.Generator) -> Tensor:
    """Corners that were outside the picture are black, as every viewer shows them."""
    n = len(x)
    angle = _uniform(n, -TURN, TURN, generator).view(n)
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros(n)
    theta = torch.stack((torch.stack((cos, -sin, zero), 1), torch.stack((sin, cos, zero), 1)), 1)
    return _sampled(x, theta, "zeros")


def _contrast(x: Tensor, generator: torch.Generator) -> Tensor:
    """About the picture's own mean or about mid-grey, as programs differ; what gets too bright or too dark is lost."""
    factor = torch.exp(_uniform(len(x), -CONTRAST, CONTRAST, generator))
    own = _uniform(len(x), 0, 1, generator) < 0.5
    middle = torch.where(own, x.mean(dim=(1, 2, 3), keepdim=True), torch.tensor(0.5))
    return (x - middle) * factor + middle


def _gamma(x: Tensor, generator: torch.Generator) -> Tensor:
    return x.clamp(1e-4, 1) ** torch.exp(_uniform(len(x), -GAMMA, GAMMA, generator))


def _blur(x: Tensor, generator: torch.Generator) -> Tensor:
    share = _uniform(len(x), 0, 1, generator)
    soft = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return share * soft + (1 - share) * x


def _mirror(x: Tensor, generator: torch.Generator) -> Tensor:
    del generator
    return x.flip(-1)


def _tint(x: Tensor, generator: torch.Generator) -> Tensor:
    gains = torch.rand((*x.shape[:2], 1, 1), generator=generator) * 2 - 1
    return x * torch.exp(gains * TINT)


def _quarters(x: Tensor, generator: torch.Generator) -> Tensor:
    """By one, two or three quarter turns."""
    times = torch.randint(1, 4, (len(x),), generator=generator).tolist()
    return torch.stack([one.rot90(count, (1, 2)) for one, count in zip(x, times, strict=True)])


# Each view changes one thing; a scan gets them in turn. Contrast does most, and in the most ways.
CHANGES: Final[tuple[Change, ...]] = (_turn, _contrast, _crop, _mirror, _contrast, _gamma, _blur)


def _seeded(seed: int) -> torch.Generator:
    generator = torch.Generator()
    generator.manual_seed(seed)
    return generator


def kinds_of(
    *, mirrored: bool, coloured: bool = False, any_angle: bool = False, equalised: bool = False
) -> tuple[Change, ...]:
    """The changes that leave a scan what it is: mirror images where left and right do not matter, other light where there are
    colours, quarter turns where it may lie any way. Where levels are `equalised` no exposure differs from another."""
    without = (*(() if mirrored else (_mirror,)), *((_contrast, _gamma) if equalised else ()))
    kinds = tuple(change for change in CHANGES if change not in without)
    return (*kinds, *((_tint,) if coloured else ()), *((_quarters,) if any_angle else ()))


def views(pixels: Pixels, rounds: int, seed: int, kinds: Sequence[Change] = CHANGES) -> Pixels:
    """`Pixels` of N scans -> of rounds * N, round after round: in each round every scan is changed in one way, and in
    `len(kinds)` rounds in every way. The same for the same input."""
    made = [_round(pixels, turn, seed, kinds) for turn in range(rounds)]
    return np.concatenate(made) if made else pixels[:0]


def _round(pixels: Pixels, turn: int, seed: int, kinds: Sequence[Change]) -> Pixels:
    which = (np.arange(len(pixels)) + turn) % len(kinds)
    result = np.empty_like(pixels)
    for kind, change in enumerate(kinds):
        chosen = np.flatnonzero(which == kind)
        if len(chosen):
            generator = _seeded(seed * 1_000_003 + turn * len(kinds) + kind)
            result[chosen] = changed(pixels[chosen], partial(change, generator=generator))
    return result


def changed(pixels: Pixels, change: Callable[[Tensor], Tensor]) -> npt.NDArray[np.uint8]:
    """`Pixels` after `change`, a function of float32 (N, C, S, S) in 0..1."""
    x = planes(torch.from_numpy(np.ascontiguousarray(pixels))).to(torch.float32).div_(255)
    y = change(x).mul(255).round_().clamp_(0, 255).to(torch.uint8)
    return np.asarray(y[:, 0].numpy() if pixels.ndim == 3 else y.permute(0, 2, 3, 1).numpy())
