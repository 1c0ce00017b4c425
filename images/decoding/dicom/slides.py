"""Whole slides, whose frames are tiles of one large picture. A tile is never taken for the slide.

Sources: PS3.3 C.8.12.4 (the module), C.7.6.17.3 (TILED_FULL: row by row from the upper left corner, then the focal planes,
then the optical paths), C.8.12.6.1 (where a tile of TILED_SPARSE lies, counted from 1).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileDataset, uid

from images.decoding.dicom import codestream, stored
from images.decoding.errors import Undecodable
from images.decoding.facts import Facts
from images.decoding.notes import OF_TILES

_SIDES: Final = ("TotalPixelMatrixColumns", "TotalPixelMatrixRows")
_CORNER: Final = ("RowPositionInTotalImagePixelMatrix", "ColumnPositionInTotalImagePixelMatrix")
_MOST_TILES: Final = 20_000
_WHITE: Final = 255  # what has no tile is glass

_PARTS: Final = Undecodable(
    "corrupt",
    "The file holds single tiles of a whole slide and does not say how they belong together, or is one part of several. "
    "Upload the overview of the slide, or export it as one picture.",
)
_OVERLAPPING: Final = Undecodable(
    "corrupt", "The tiles of this whole slide do not lie inside the slide. Export the slide again, or as PNG."
)

Values = NDArray[Any]
Place = tuple[int, int]


def is_slide(dataset: Dataset) -> bool:
    """Whether the frames of a file are tiles: of a slide by its class, or of any picture larger than a frame."""
    sides = tuple(dataset.get(keyword) for keyword in _SIDES)
    is_many = int(dataset.get("NumberOfFrames") or 1) > 1
    if all(isinstance(side, int) for side in sides):
        return is_many or sides != (dataset.Columns, dataset.Rows)
    return is_many and dataset.get("SOPClassUID") == uid.VLWholeSlideMicroscopyImageStorage


def size(dataset: Dataset) -> tuple[int, int]:
    """Columns and rows of the whole slide. Raises Undecodable where the file does not say."""
    columns, rows = (dataset.get(keyword) for keyword in _SIDES)
    if not (isinstance(columns, int) and isinstance(rows, int) and columns > 0 and rows > 0):
        raise _PARTS
    return columns, rows


def too_large(columns: int, rows: int) -> Undecodable:
    """The error for a slide that is too large to be put together."""
    return Undecodable(
        "too_large",
        f"This is a whole slide of {columns} × {rows} pixels, too large to be one scan. "
        "Upload its overview or a lower resolution level, or export the region of interest as PNG.",
    )


def whole(dataset: FileDataset, facts: Facts) -> Values:
    """The stored values of the slide, rows by columns, by 3 where it has colour. Raises Undecodable."""
    places = _places(dataset)
    (columns, rows), tile_rows, tile_columns = facts.size, int(dataset.Rows), int(dataset.Columns)
    if len(places) > _MOST_TILES:
        raise too_large(columns, rows)
    canvas: Values | None = None
    for index, (top, left) in places.items():
        tile = _tile(dataset, index)
        if canvas is None:
            fill = _WHITE if tile.ndim == 3 else 0
            canvas = np.full((rows, columns, *tile.shape[2:]), fill, tile.dtype)
        target = canvas[top : top + tile_rows, left : left + tile_columns]
        target[...] = tile[: target.shape[0], : target.shape[1]]
    if canvas is None:
        raise _PARTS
    _tell(facts, len(places), -(-columns // tile_columns) * -(-rows // tile_rows))
    return canvas


def _tell(facts: Facts, used: int, places: int) -> None:
    facts.notes.append(f"The picture was put together from {used} {OF_TILES}.")
    if used < facts.frames:
        facts.notes.append(
            f"The first focal plane and optical path are used; {facts.frames - used} further tiles are ignored."
        )
    if used < places:
        facts.notes.append(f"The file has no tile for {places - used} of {places} places; they are shown empty.")


def _tile(dataset: FileDataset, index: int) -> Values:
    if dataset.file_meta.TransferSyntaxUID in stored.JPEG_FAMILY:
        codestream.check(stored.coded(dataset, index), dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)
    return stored.frame(dataset, index)


def _places(dataset: Dataset) -> dict[int, Place]:
    """By the index of a frame, from 0: the row and column of its upper left corner, from 0."""
    own = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    kind = str(dataset.get("DimensionOrganizationType") or "").strip()
    if kind != "TILED_FULL" and own:
        return _sparse(dataset, own)
    return _full(dataset)


def _full(dataset: Dataset) -> dict[int, Place]:
    (columns, rows), frames = size(dataset), int(dataset.get("NumberOfFrames") or 1)
    across, down = -(-columns // dataset.Columns), -(-rows // dataset.Rows)
    if frames < across * down:
        raise _PARTS
    return {
        row * across + column: (row * dataset.Rows, column * dataset.Columns)
        for row in range(down)
        for column in range(across)
    }


def _sparse(dataset: Dataset, own: Any) -> dict[int, Place]:
    """The tiles of the first path and plane, each place once."""
    columns, rows = size(dataset)
    found: dict[Place, int] = {}
    first: Any = None
    for index, group in enumerate(own):
        position = next(iter(group.get("PlanePositionSlideSequence") or ()), None)
        if position is None:
            raise _PARTS
        layer = _layer(group, position)
        first = layer if first is None else first
        place = tuple(int(position.get(keyword) or 0) - 1 for keyword in _CORNER)
        if not (0 <= place[0] < rows and 0 <= place[1] < columns):
            raise _OVERLAPPING
        if layer == first:
            found.setdefault((place[0], place[1]), index)
    return {index: place for place, index in found.items()}


def _layer(group: Dataset, position: Dataset) -> tuple[str, str]:
    path = next(iter(group.get("OpticalPathIdentificationSequence") or ()), Dataset())
    return str(path.get("OpticalPathIdentifier") or ""), str(position.get("ZOffsetInSlideCoordinateSystem") or "")
