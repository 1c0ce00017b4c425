"""Batched augmentation of inputs in 0..1, on whatever device they are, from a generator of its own.

What is changed depends on what the network sees. Grey levels: gamma, contrast, brightness. Colours: stains, light, hue,
saturation, contrast, brightness. Windows: their centres and widths. All: how the picture lies, focus and noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models_registry.inference.looks import TILES, Look
from models_registry.inference.names import COLOUR, WINDOWS
from training.engine.config import TrainConfig

from .colour import recoloured, rewindowed, shares
from .grey import toned
from .mixing import mixed
from .softening import softened
from .turning import DETAILED, MAX_CROP, MAX_ZOOM, turned

__all__ = ["Changes", "augment", "mixed"]


@dataclass(frozen=True)
class Changes:
    """`strength` scales every change, 0 changes nothing. Mirror images only with `allow_flips`, as left and right may matter, and
    every rotation only with `any_angle`, as up and down may; these two do not depend on the strength."""

    strength: float
    allow_flips: bool = False
    any_angle: bool = False
    look: Look = TILES

    @classmethod
    def of(cls, config: TrainConfig) -> Changes:
        return cls(config.augment, config.allow_flips, config.any_angle, config.look)

    @property
    def none(self) -> bool:
        return self.strength == 0 and not (self.allow_flips or self.any_angle)


def augment(x: Tensor, changes: Changes, generator: torch.Generator) -> Tensor:
    """float32 (N, C, S, S) in 0..1, of as many channels as the look has -> the same shape, clamped to 0..1. `generator` lives
    on x's device."""
    if changes.none:
        return x
    look, strength = changes.look, changes.strength
    # What sees tiles is changed as it always was: a run of earlier days can be made again.
    detailed = look.needs_views and x.shape[-1] >= DETAILED
    x = turned(
        x,
        strength,
        generator,
        allow_flips=changes.allow_flips,
        any_angle=changes.any_angle,
        nearer=MAX_CROP if detailed else MAX_ZOOM,
    )
    share = None
    if look.sees == COLOUR:
        x = recoloured(x, strength, generator)
    elif look.sees == WINDOWS:
        share = torch.tensor(shares(look.windows), device=x.device)
        x = rewindowed(x, strength, generator, share)
    else:
        x = toned(x, strength, generator)
    return softened(x, strength, generator, share).clamp_(0, 1)
