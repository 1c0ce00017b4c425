"""What a network is given of a scan: of which derivative, in which channels, at which shape. Loads no PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .names import (
    COLOUR,
    EQUALISED,
    GREY,
    LETTERBOX,
    LEVELS,
    LEVELS_KEPT,
    SEES,
    SHAPES,
    SQUASH,
    TILE,
    TILE_SIDE,
    VIEW_SIDE,
    WINDOWS,
)

__all__ = ["COLOUR", "GREY", "LETTERBOX", "MAX_CHANNELS", "SQUASH", "TILE", "TILES", "WINDOWS", "Look", "Windows"]

MAX_CHANNELS = 3
# Centre and width of each, in the scan's own values.
Windows = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Look:
    """`sees`: TILE, the grey square that was made at ingest, or of the scan's view for learning GREY, COLOUR, or WINDOWS, one
    channel for each of `windows`. `shape`: whether a scan is squashed to the network's square, or fitted into it with a margin.
    `levels`: of GREY, whether its levels are kept, or equalised, so that the exposure of a scan is nothing to be learned."""

    sees: str = TILE
    shape: str = SQUASH
    windows: Windows = ()
    levels: str = LEVELS_KEPT

    def __post_init__(self) -> None:
        if self.sees not in SEES or self.shape not in SHAPES:
            raise ValueError(f"sees must be of {SEES} and shape of {SHAPES}, got {self.sees}, {self.shape}")
        if self.sees == TILE and self.shape != SQUASH:
            raise ValueError(f"a {TILE} is always squashed: see {GREY} for another shape")
        if self.levels not in LEVELS or (self.levels == EQUALISED and self.sees != GREY):
            raise ValueError(f"levels must be of {LEVELS}, and {EQUALISED} is for {GREY} alone, got {self.levels}")
        if (self.sees == WINDOWS) != bool(self.windows) or len(self.windows) > MAX_CHANNELS:
            raise ValueError(f"must be 1 to {MAX_CHANNELS} for {WINDOWS}, and none else")
        if not all(math.isfinite(centre) and math.isfinite(width) and width > 0 for centre, width in self.windows):
            raise ValueError("must be finite, with positive widths")

    @classmethod
    def of(cls, sees: str, shape: str, windows: str, size: int, levels: str = LEVELS_KEPT) -> Look:
        """As the options of a training name it. Grey pictures that the tile shows as well are read from the tile."""
        enough = sees == GREY and shape == SQUASH and size <= TILE_SIDE and levels == LEVELS_KEPT
        return cls() if enough else cls(sees, shape, read_windows(windows), levels)

    @property
    def channels(self) -> int:
        """Of what is seen: 1 for grey."""
        return {COLOUR: 3, WINDOWS: len(self.windows)}.get(self.sees, 1)

    def shape_of(self, count: int, size: int) -> tuple[int, ...]:
        """Of the `Pixels` of so many scans: without an axis for the channels where they are grey."""
        return (count, size, size) if self.channels == 1 else (count, size, size, self.channels)

    @property
    def needs_views(self) -> bool:
        """Whether it is made of views for learning; else of tiles."""
        return self.sees != TILE

    @property
    def equalises(self) -> bool:
        return self.levels == EQUALISED

    @property
    def is_colour(self) -> bool:
        return self.sees == COLOUR

    @property
    def most_size(self) -> int:
        """The most pixels a side that a network can be given."""
        return VIEW_SIDE if self.needs_views else TILE_SIDE

    def words(self, size: int) -> str:
        """What it sees, for people: "colour, 224 px a side, at its own shape with a margin"."""
        windows = ", ".join(f"{centre:g}/{width:g}" for centre, width in self.windows)
        sees = {COLOUR: "colour", WINDOWS: f"windows of the scan's own values (centre/width {windows})"}.get(
            self.sees, "grey, its levels equalised" if self.equalises else "grey"
        )
        shape = "at its own shape with a margin" if self.shape == LETTERBOX else "squashed to a square"
        return f"{sees}, {size} px a side, {shape}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types. The look at tiles is not mentioned, as before there was another."""
        if not self.needs_views:
            return {}
        told: dict[str, Any] = {"sees": self.sees, "shape": self.shape}
        told |= {"windows": [list(window) for window in self.windows]} if self.windows else {}
        return told | ({"levels": self.levels} if self.equalises else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Look:
        """Inverse of `to_dict`; `ValueError` or `TypeError` says what is wrong."""
        windows = tuple((float(centre), float(width)) for centre, width in data.get("windows", ()))
        return cls(
            str(data.get("sees", TILE)), str(data.get("shape", SQUASH)), windows, str(data.get("levels", LEVELS_KEPT))
        )


# What all bundles saw before there was more.
TILES = Look()


def read_windows(text: str) -> Windows:
    """ "40/400, -600/1500": centre and width of each. `ValueError` says what is wrong."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        centre, _, width = part.partition("/")
        try:
            found.append((float(centre), float(width)))
        except ValueError as error:
            raise ValueError(f"must be centre/width, as 40/400; got {part!r}") from error
    return tuple(found)


def write_windows(windows: Sequence[tuple[float, float]]) -> str:
    """Inverse of `read_windows`."""
    return ", ".join(f"{centre:g}/{width:g}" for centre, width in windows)
