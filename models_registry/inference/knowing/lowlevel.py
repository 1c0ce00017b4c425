"""What a picture looks like without any network: grey levels, frequencies, edges, borders, and where it is bright.

A network may map two very different pictures onto one point. These numbers are of the picture itself.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models_registry.inference.names import TILE_SIDE
from models_registry.inference.preprocess import CHUNK, Pixels, planes

# Finer detail than this differs between devices more than between subjects.
MOST_SIDE: Final = 64
LEVELS, BANDS, ANGLES, GRID, THUMB = 16, 9, 6, 4, 16
# Of saturation: most of a picture is pale, and what is not tells stains apart.
SATURATIONS = 8
Floats = npt.NDArray[np.float64]


def side_for(size: int) -> int:
    """The side in pixels on which the numbers are taken for a network that sees `size` pixels."""
    return min(size, MOST_SIDE)


def unit(pixels: Pixels, side: int) -> Floats:
    """`Pixels` (N, S, S), or with C channels last -> float64 (N, side, side), or with these, in 0..1, in whole levels as `shrink`
    leaves them."""
    # As many as tiles of one chunk have pixels.
    most = max(1, min(CHUNK, CHUNK * TILE_SIDE**2 // int(np.prod(pixels.shape[1:]))))
    rows = [_unit(pixels[start : start + most], side) for start in range(0, len(pixels), most)]
    return np.concatenate(rows) if rows else np.zeros((0, side, side, *pixels.shape[3:]))


def _unit(pixels: Pixels, side: int) -> Floats:
    x = planes(torch.from_numpy(pixels.astype(np.float32)))
    if pixels.shape[1] != side:
        x = functional.interpolate(x, (side, side), mode="bilinear", antialias=True)
    whole = np.asarray(x.round_().clamp_(0, 255).numpy(), dtype=np.float64) / 255
    return whole[:, 0] if pixels.ndim == 3 else np.ascontiguousarray(np.moveaxis(whole, 1, 3))


def describe(pictures: Floats, *, colour: bool = False, any_angle: bool = False) -> Floats:
    """Pictures as `unit` makes them -> (N, width(colour)). `colour`: what their colours are like, too. `any_angle`: the mean over
    their four right angles, which is the same however a scan that may lie any way was turned."""
    if any_angle:
        return np.asarray(np.mean([describe(turned, colour=colour) for turned in _turned(pictures)], axis=0))
    grey = luminance(pictures)
    parts = [part(grey) for part in (_levels, _spectrum, _edges, _borders, _where, _symmetry)]
    return np.concatenate([*parts, _colours(pictures)] if colour else parts, axis=1)


def width(*, colour: bool) -> int:
    """How many numbers describe a picture."""
    return WIDTH + COLOUR_WIDTH if colour else WIDTH


def luminance(pictures: Floats) -> Floats:
    """(N, S, S), of several channels their mean."""
    return pictures if pictures.ndim == 3 else np.asarray(pictures.mean(axis=3))


def _turned(pictures: Floats) -> list[Floats]:
    return [np.rot90(pictures, quarter, (1, 2)) for quarter in range(4)]


def thumbs(pictures: Floats, *, any_angle: bool = False) -> Floats:
    """Pictures -> (N, THUMB * THUMB): coarse grey pictures of mean 0 and standard deviation 1, so that neither exposure nor
    contrast tells which way up a picture is. `any_angle`: as of `describe`."""
    if any_angle:
        return np.asarray(np.mean([thumbs(turned) for turned in _turned(pictures)], axis=0))
    small = _means(luminance(pictures), THUMB).reshape(len(pictures), -1)
    centred = small - small.mean(axis=1, keepdims=True)
    return np.asarray(centred / (centred.std(axis=1, keepdims=True) + 1e-3))


def _means(x: Floats, cells: int) -> Floats:
    """Means over cells x cells fields of about equal size: (N, cells, cells)."""
    edges = np.linspace(0, x.shape[1], cells + 1).round().astype(int)
    rows = np.add.reduceat(x, edges[:-1], axis=1) / np.diff(edges)[None, :, None]
    return np.asarray(np.add.reduceat(rows, edges[:-1], axis=2) / np.diff(edges)[None, None, :])


def _levels(x: Floats) -> Floats:
    flat = x.reshape(len(x), -1)
    bins = np.minimum((flat * LEVELS).astype(int), LEVELS - 1)
    counts = np.stack([np.bincount(row, minlength=LEVELS) for row in bins]) if len(x) else np.zeros((0, LEVELS))
    # Square roots: the few pixels of a rare grey level vary as much as the many of a common one.
    return np.concatenate([np.sqrt(counts / flat.shape[1]), flat.mean(1)[:, None], flat.std(1)[:, None]], axis=1)


def _spectrum(x: Floats) -> Floats:
    """Logarithm of the power in bands of frequency, and in sectors of direction."""
    side = x.shape[1]
    window = np.hanning(side)[:, None] * np.hanning(side)[None, :]
    centred = (x - x.mean(axis=(1, 2), keepdims=True)) * window
    power = np.abs(np.fft.fftshift(np.fft.fft2(centred), axes=(1, 2))) ** 2
    axis = np.arange(side) - side // 2
    radius, angle = np.hypot(axis[:, None], axis[None, :]), np.arctan2(axis[:, None], axis[None, :]) % np.pi
    band = np.minimum(np.log2(np.maximum(radius, 1)) / np.log2(side / 2) * BANDS, BANDS - 1).astype(int)
    sector = np.minimum(angle / np.pi * ANGLES, ANGLES - 1).astype(int)
    inside = (radius >= 1) & (radius <= side / 2)
    rows = [_log_mean(power[:, inside & (band == k)]) for k in range(BANDS)]
    far = inside & (radius > side / 8)
    rows += [_log_mean(power[:, far & (sector == k)]) for k in range(ANGLES)]
    return np.stack(rows, axis=1)


def _log_mean(values: Floats) -> Floats:
    if values.shape[1] == 0:
        return np.zeros(len(values))
    return np.asarray(np.log10(values.mean(axis=1) + 1e-4))


def _edges(x: Floats) -> Floats:
    across, down = np.abs(np.diff(x, axis=2)), np.abs(np.diff(x, axis=1))
    rows = [np.log10(part.mean(axis=(1, 2)) + 1e-3) for part in (across, down)]
    flat = np.concatenate([part.reshape(len(x), -1) for part in (across, down)], axis=1)
    rows += [np.log10(np.quantile(flat, share, axis=1) + 1e-3) for share in (0.5, 0.9, 0.99)]
    return np.stack(rows, axis=1)


def _borders(x: Floats) -> Floats:
    wide = max(1, x.shape[1] // 16)
    strips = (x[:, :wide], x[:, -wide:], x[:, :, :wide], x[:, :, -wide:])
    return np.stack([f(strip.reshape(len(x), -1), axis=1) for strip in strips for f in (np.mean, np.std)], axis=1)


def _where(x: Floats) -> Floats:
    return _means(x, GRID).reshape(len(x), -1)


def _symmetry(x: Floats) -> Floats:
    """How much the picture differs from its mirror images, left and right and up and down."""
    return np.stack([np.abs(x - flipped).mean(axis=(1, 2)) for flipped in (x[:, :, ::-1], x[:, ::-1])], axis=1)


def _colours(x: Floats) -> Floats:
    """Of (N, S, S, 3): where the colours lie between red and green and between yellow and blue, how far they spread, how they go
    together with each other and with the light, and how saturated they are."""
    flat = x.reshape(len(x), -1, 3)
    red_green = flat[:, :, 0] - flat[:, :, 1]
    yellow_blue = (flat[:, :, 0] + flat[:, :, 1]) / 2 - flat[:, :, 2]
    light = flat.mean(axis=2)
    pairs = ((red_green, yellow_blue), (red_green, light), (yellow_blue, light))
    rows = [f(values, axis=1) for values in (red_green, yellow_blue) for f in (np.mean, np.std)]
    rows += [_together(one, other) for one, other in pairs]
    saturation = flat.max(axis=2) - flat.min(axis=2)
    # Finer where pictures are pale: 0 is grey to the bit.
    edges = np.arange(1, SATURATIONS) ** 2 / SATURATIONS**2
    bins = np.digitize(saturation, edges)
    counts = (
        np.stack([np.bincount(row, minlength=SATURATIONS) for row in bins]) if len(x) else np.zeros((0, SATURATIONS))
    )
    shares = np.sqrt(counts / saturation.shape[1])
    return np.concatenate([np.stack(rows, axis=1), shares], axis=1)


def _together(one: Floats, other: Floats) -> Floats:
    """Covariance (N,), as a signed root: on the scale of a standard deviation."""
    products = (one - one.mean(axis=1, keepdims=True)) * (other - other.mean(axis=1, keepdims=True))
    found = products.mean(axis=1)
    return np.asarray(np.sign(found) * np.sqrt(np.abs(found)))


WIDTH: Final[int] = describe(np.zeros((1, MOST_SIDE, MOST_SIDE))).shape[1]
COLOUR_WIDTH: Final[int] = _colours(np.zeros((1, MOST_SIDE, MOST_SIDE, 3))).shape[1]
