"""Batched augmentation of grey inputs in 0..1, on whatever device they are, from a generator of its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

MAX_ROTATION = math.radians(10)
MAX_ZOOM = 0.15
MAX_SHIFT = 0.12
GAMMA = 0.25
CONTRAST = 0.20
BRIGHTNESS = 0.08
NOISE = 0.02
BLUR_SHARE = 0.25


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.empty(n, device=generator.device).uniform_(low, high, generator=generator)


def _affine(x: Tensor, strength: float, generator: torch.Generator, *, allow_flips: bool) -> Tensor:
    n = len(x)
    angle = _uniform(n, -MAX_ROTATION, MAX_ROTATION, generator) * strength
    zoom = 1 + _uniform(n, -MAX_ZOOM, MAX_ZOOM, generator) * strength
    shift = _uniform(2 * n, -2 * MAX_SHIFT, 2 * MAX_SHIFT, generator).view(n, 2) * strength
    mirror = torch.ones(n, device=generator.device)
    if allow_flips:
        mirror = torch.where(_uniform(n, 0, 1, generator) < 0.5, -mirror, mirror)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack(
        (torch.stack((cos * mirror, -sin, shift[:, 0]), 1), torch.stack((sin * mirror, cos, shift[:, 1]), 1)), 1
    )
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _tone(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    n = len(x)
    gamma = torch.exp(_uniform(n, -GAMMA, GAMMA, generator) * strength).view(n, 1, 1, 1)
    contrast = 1 + (_uniform(n, -CONTRAST, CONTRAST, generator) * strength).view(n, 1, 1, 1)
    brightness = (_uniform(n, -BRIGHTNESS, BRIGHTNESS, generator) * strength).view(n, 1, 1, 1)
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x.clamp(1e-4, 1) ** gamma - middle) * contrast + middle + brightness


def _soften(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    n = len(x)
    sigma = (_uniform(n, 0, NOISE, generator) * strength).view(n, 1, 1, 1)
    blurred = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    chosen = (_uniform(n, 0, 1, generator) < BLUR_SHARE * min(strength, 1)).view(n, 1, 1, 1)
    noise = torch.empty_like(x).normal_(generator=generator)
    return torch.where(chosen, blurred, x) + sigma * noise


def augment(x: Tensor, strength: float, generator: torch.Generator, *, allow_flips: bool) -> Tensor:
    """float32 (N, 1, S, S) in 0..1 -> the same shape, clamped to 0..1.

    Rotation, zoom, shift, gamma, contrast, brightness, blur and noise, each scaled by `strength` (0 changes nothing);
    mirror images only with `allow_flips`, as left and right may matter. `generator` lives on x's device.
    """
    if strength == 0 and not allow_flips:
        return x
    return _soften(
        _tone(_affine(x, strength, generator, allow_flips=allow_flips), strength, generator), strength, generator
    ).clamp_(0, 1)
