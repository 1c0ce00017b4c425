"""How a picture lies: turned, nearer or farther, moved, mirrored."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from .drawing import of_each, uniform

MAX_ROTATION = math.radians(10)
MAX_ZOOM = 0.15
MAX_SHIFT = 0.12
# Of a picture of so many pixels a side a smaller part still shows enough: the camera comes nearer.
DETAILED, MAX_CROP = 224, 0.3


def turned(
    x: Tensor,
    strength: float,
    generator: torch.Generator,
    *,
    allow_flips: bool,
    any_angle: bool = False,
    nearer: float = MAX_ZOOM,
) -> Tensor:
    """(N, C, S, S) -> the same. `nearer`: the share of a side that may be cut off, at strength 1.

    Mirrored left to right with `allow_flips` alone; together with `any_angle` upside down is among what comes of it. What comes
    in from outside continues the border; at any angle, where whole corners are outside, it is the border's median level, as in
    the margin of a letterbox: nothing in it can be taken for a finding, as streaks or reflections could.
    """
    n = len(x)
    angle = uniform(n, -math.pi, math.pi, generator) if any_angle else _little(n, strength, generator)
    zoom = 1 + uniform(n, -nearer, MAX_ZOOM, generator) * strength
    shift = uniform(2 * n, -2 * MAX_SHIFT, 2 * MAX_SHIFT, generator).view(n, 2) * strength
    mirror = torch.ones(n, device=generator.device)
    if allow_flips:
        mirror = torch.where(uniform(n, 0, 1, generator) < 0.5, -mirror, mirror)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack(
        (torch.stack((cos * mirror, -sin, shift[:, 0]), 1), torch.stack((sin * mirror, cos, shift[:, 1]), 1)), 1
    )
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    if not any_angle:
        return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    outside = of_each(border_level(x))
    moved = functional.grid_sample(x - outside, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return moved + outside


def _little(n: int, strength: float, generator: torch.Generator) -> Tensor:
    return uniform(n, -MAX_ROTATION, MAX_ROTATION, generator) * strength


def border_level(x: Tensor) -> Tensor:
    """(N, C, S, S) -> the median (N, C) of the outermost pixels."""
    border = torch.cat([x[:, :, 0], x[:, :, -1], x[:, :, :, 0], x[:, :, :, -1]], dim=2)
    return border.median(dim=2).values
