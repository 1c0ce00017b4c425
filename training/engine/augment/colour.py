"""Several channels: colours, or several ranges of the same values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .drawing import of_each, uniform

# The density (logarithm of the light let through) of all channels together, then of each: how thick a slice or a smear is, and
# how much of each stain it took (Tellez et al., "Whole-Slide Mitosis Detection in H&E Breast Histology", IEEE TMI 2018, jitter
# stains; skin and retina have their pigments). LIGHT: the colour of the lamp.
DENSITY, STAIN, LIGHT = 0.10, 0.08, 0.04
HUE = 0.03 * 2 * math.pi
SATURATION = 0.15
CONTRAST = 0.10
BRIGHTNESS = 0.05
# NTSC's luma and its two axes of colour: a turn in their plane changes the hue and leaves the luma.
_AXES = ((0.299, 0.587, 0.114), (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))
# Of the narrowest window: how far all of them move, in its widths, and how much wider or narrower they become.
CENTRE, WIDTH = 0.08, 0.20


def recoloured(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """(N, 3, S, S) with other stains, light, hue, saturation, contrast and brightness. The latter two are of all channels alike,
    about a grey level, so that they leave the hue."""
    n = len(x)
    density = uniform(n, -DENSITY, DENSITY, generator).view(n, 1)
    stains = uniform(3 * n, -STAIN, STAIN, generator).view(n, 3)
    dyed = x.clamp(1e-4, 1) ** of_each(torch.exp((density + stains) * strength))
    light = torch.exp(uniform(3 * n, -LIGHT, LIGHT, generator).view(n, 3) * strength)
    mixing = _mixing(n, strength, generator) * light.unsqueeze(1)
    contrast = 1 + uniform(n, -CONTRAST, CONTRAST, generator) * strength
    brightness = uniform(n, -BRIGHTNESS, BRIGHTNESS, generator) * strength
    middle = x.mean(dim=(1, 2, 3))
    offset = (middle * (1 - contrast) + brightness).view(n, 1, 1)
    return torch.baddbmm(offset, mixing * contrast.view(n, 1, 1), dyed.flatten(2)).view_as(x)


def _mixing(n: int, strength: float, generator: torch.Generator) -> Tensor:
    """(N, 3, 3): the matrices that turn hues and stretch saturations."""
    hue = uniform(n, -HUE, HUE, generator) * strength
    saturation = torch.exp(uniform(n, -SATURATION, SATURATION, generator) * strength)
    cos, sin = torch.cos(hue) * saturation, torch.sin(hue) * saturation
    none, whole = torch.zeros_like(hue), torch.ones_like(hue)
    rows = ((whole, none, none), (none, cos, -sin), (none, sin, cos))
    turn = torch.stack([torch.stack(row, 1) for row in rows], 1)
    axes = torch.tensor(_AXES)
    there, back = axes.to(hue.device), torch.linalg.inv(axes).to(hue.device)
    mixing: Tensor = back @ turn @ there
    return mixing


def shares(windows: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """What a step of the scan's own values is in each channel, if it is 1 in that of the narrowest window."""
    narrowest = min(width for _, width in windows)
    return tuple(narrowest / width for _, width in windows)


def rewindowed(x: Tensor, strength: float, generator: torch.Generator, share: Tensor) -> Tensor:
    """(N, C, S, S) as other centres and widths would show it, all channels by the same step of the scan's own values.

    Pixels have 8 bits: what a window had cut off is not known any more, and moves with its end.
    """
    n = len(x)
    moved = uniform(n, -CENTRE, CENTRE, generator).view(n, 1) * strength
    steeper = torch.exp(uniform(n, -WIDTH, WIDTH, generator) * strength).view(n, 1)
    return torch.addcmul(of_each(0.5 - (0.5 + moved * share) * steeper), x, of_each(steeper))
